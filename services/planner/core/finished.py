"""Whether the planner has nothing more to say of a workflow, told from the raw object.

An adjustment that arrives after the end is refused with an entry, also when the message
for it was lost. Raw, because a walk over all workflows meets mostly finished ones.
"""

from collections.abc import Mapping
from typing import Any, Final

from shared.api.enums import TERMINAL_PHASES

_TERMINAL: Final = frozenset(str(phase) for phase in TERMINAL_PHASES)


def is_finished(item: Mapping[str, Any]) -> bool:
    """Return whether a workflow has ended and each adjustment without condition is decided."""
    status = item.get("status", {})
    if status.get("phase") not in _TERMINAL:
        return False
    if "executionPlan" not in status:
        return True
    decided = {entry.get("name") for entry in status.get("adaptiveAdjustments", [])}
    adaptive = item.get("spec", {}).get("adaptiveOrchestration", {})
    return all(
        "when" in adjustment or adjustment["name"] in decided
        for adjustment in adaptive.get("adjustments", [])
    )
