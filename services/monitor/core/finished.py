"""Whether the monitor has nothing more to say of a workflow, told from the raw object.

Others may write the end of a workflow: its figures are due even then, and the way back
changes them once more. Raw, because a walk over all workflows meets mostly finished ones.
"""

from collections.abc import Mapping
from typing import Any, Final

from shared.api.enums import TERMINAL_PHASES, RollbackStepPhase

_TERMINAL: Final = frozenset(str(phase) for phase in TERMINAL_PHASES)


def is_finished(item: Mapping[str, Any]) -> bool:
    """Return whether a workflow has ended and all its figures are written."""
    status = item.get("status", {})
    if status.get("phase") not in _TERMINAL:
        return False
    if "executionPlan" not in status:
        return True
    if "workflowResult" not in status:
        return False
    steps = status.get("rollback", {}).get("steps", [])
    undone = sum(step.get("phase") == RollbackStepPhase.COMPLETED for step in steps)
    counted = status.get("executionMetrics", {}).get("rollbacksPerformed", 0)
    return bool(undone == counted)
