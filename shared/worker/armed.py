"""Which timers were armed of late, and for when: arming one again is a message for nothing."""

from collections import OrderedDict
from datetime import datetime

from shared.worker.recent import CAPACITY


class Armed:
    """Remembers the time of each timer, and forgets the oldest beyond its capacity."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._times: OrderedDict[str, datetime] = OrderedDict()

    def holds(self, timer: str, at: datetime) -> bool:
        """Return whether a timer was last armed for this time."""
        return self._times.get(timer) == at

    def remember(self, timer: str, at: datetime) -> None:
        """Remember what a timer is armed for now."""
        self._times[timer] = at
        self._times.move_to_end(timer)
        if len(self._times) > self._capacity:
            self._times.popitem(last=False)

    def forget(self) -> None:
        """Forget all: the store of timers may have been lost."""
        self._times.clear()
