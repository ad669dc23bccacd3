"""What was met of late: enough to tell a stranger from one that is gone."""

from collections import OrderedDict
from typing import Final

CAPACITY: Final = 20_000


class Recent:
    """Remembers the latest ids, and forgets the oldest beyond its capacity."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._ids: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, id_: str) -> bool:
        return id_ in self._ids

    def add(self, id_: str) -> None:
        """Remember an id as the latest."""
        self._ids[id_] = None
        self._ids.move_to_end(id_)
        if len(self._ids) > self._capacity:
            self._ids.popitem(last=False)
