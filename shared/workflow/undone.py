"""How a way back went, in one line: how many steps were undone, and which were not, and why."""

from collections.abc import Iterable
from typing import Final

from shared.api.enums import RollbackStepPhase
from shared.api.workflow_status import Rollback, RollbackStep

DRIFTED: Final = "RollbackSkippedDrift"
"""Why an undo is skipped: somebody else has changed the target since."""
_MAX_MESSAGE: Final = 256
_SKIPPED: Final = {"Irreversible": "irreversible", DRIFTED: "drift", "NothingToUndo": "unchanged"}


def summary(rollback: Rollback) -> str:
    """Return what was undone so far, with the names of what failed and of what was skipped."""
    if not rollback.steps:
        return "nothing to undo"
    undone = sum(step.phase is RollbackStepPhase.COMPLETED for step in rollback.steps)
    parts = [f"{undone} of {len(rollback.steps)} steps undone"]
    failed = failed_undos(rollback)
    if failed:
        parts.append(f"{len(failed)} undo failed: {', '.join(failed)}")
    for reason, word in _SKIPPED.items():
        names = _names(step for step in _skipped(rollback) if step.reason == reason)
        if names:
            parts.append(f"skipped: {word}: {', '.join(names)}")
    return "; ".join(parts)[:_MAX_MESSAGE]


def failed_undos(rollback: Rollback) -> list[str]:
    """Return the steps whose undo failed for good."""
    return _names(step for step in rollback.steps if step.phase is RollbackStepPhase.FAILED)


def drifted(rollback: Rollback) -> list[str]:
    """Return the steps that were left alone since somebody else had changed their target."""
    return _names(step for step in _skipped(rollback) if step.reason == DRIFTED)


def _skipped(rollback: Rollback) -> list[RollbackStep]:
    return [step for step in rollback.steps if step.phase is RollbackStepPhase.SKIPPED]


def _names(steps: Iterable[RollbackStep]) -> list[str]:
    return [step.name for step in steps]
