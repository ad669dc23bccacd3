"""Which executions this process saw: one of them that is gone, or another, was deleted.

No message is needed to know it, and none that comes late or never does any harm. Status records
the identity of an execution with the next write that happens anyway, which for a long step may
be its last one.
"""

from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Final

from shared.api.execution import KubernetesExecution
from shared.ids import ExecutionName

CAPACITY: Final = 20_000
"""Executions remembered: more than can be in flight at once."""


class Sightings:
    """The first identity of each execution, by name; the oldest are forgotten."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._uids: OrderedDict[ExecutionName, str] = OrderedDict()

    def add(self, execution: KubernetesExecution) -> None:
        """Remember an execution that exists."""
        name = ExecutionName(execution.metadata.name)
        self._uids.setdefault(name, execution.metadata.uid)
        self._uids.move_to_end(name)
        if len(self._uids) > self._capacity:
            self._uids.popitem(last=False)

    def deleted(
        self,
        asked: Collection[ExecutionName],
        found: Mapping[ExecutionName, KubernetesExecution],
    ) -> frozenset[ExecutionName]:
        """Return those of the names asked for that are gone, or were made again since."""
        there = {name: each.metadata.uid for name, each in found.items()}
        return frozenset(
            name for name in asked if name in self._uids and there.get(name) != self._uids[name]
        )
