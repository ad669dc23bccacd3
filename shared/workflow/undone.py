"""How a way back went, in one line: how many steps were undone, and which were not, and why.

What cannot be undone is said before anything is done.
"""

from collections.abc import Iterable
from typing import Final

from shared.api.enums import RollbackPhase, RollbackStepPhase
from shared.api.workflow_status import ExecutionPlan, Rollback, RollbackStep

DRIFTED: Final = "RollbackSkippedDrift"
"""Why an undo is skipped: somebody else has changed the target since."""
UNKNOWN: Final = "Unknown"
"""Why a step or an undo failed: its execution or its Job is gone, and what it did not known."""
UNDECIDED: Final = "DriftNeedsDecision"
"""Why an undo waits: somebody else has changed the target, and the step says to ask."""
_MAX_MESSAGE: Final = 256
_SKIPPED: Final = {"Irreversible": "irreversible", DRIFTED: "drift", "NothingToUndo": "unchanged"}


def summary(rollback: Rollback, *, limit: int = _MAX_MESSAGE) -> str:
    """Return what was undone so far, with the names of what failed and of what was skipped.

    Args:
        rollback: the way back.
        limit: length of the answer at most; one that had to be cut shows it.
    """
    told = "; ".join(_parts(rollback)) or "nothing to undo"
    if rollback.to:
        verb = "rolling" if rollback.phase is RollbackPhase.RUNNING else "rolled"
        told = f"{verb} back to {rollback.to}: {told}"
    return _cut(told, limit)


def _parts(rollback: Rollback) -> list[str]:
    if not rollback.steps:
        return []
    undone = sum(step.phase is RollbackStepPhase.COMPLETED for step in rollback.steps)
    parts = [f"{undone} of {len(rollback.steps)} steps undone"]
    failed = failed_undos(rollback)
    if failed:
        parts.append(f"{len(failed)} undo failed: {', '.join(failed)}")
    for reason, word in _SKIPPED.items():
        names = _names(step for step in _skipped(rollback) if step.reason == reason)
        if names:
            parts.append(f"skipped: {word}: {', '.join(names)}")
    waiting = undecided(rollback)
    if waiting:
        parts.append(f"waiting for a decision on drift: {', '.join(waiting)}")
    return parts


def irreversible(plan: ExecutionPlan, *, limit: int = _MAX_MESSAGE) -> str:
    """Return which steps of a plan cannot be undone; empty if all can be.

    Args:
        plan: what is going to be done.
        limit: length of the answer at most; one that had to be cut shows it.
    """
    if not plan.irreversible:
        return ""
    return _cut(f"cannot be undone: {', '.join(plan.irreversible)}", limit)


def failed_undos(rollback: Rollback) -> list[str]:
    """Return the steps whose undo failed for good."""
    return _names(step for step in rollback.steps if step.phase is RollbackStepPhase.FAILED)


def drifted(rollback: Rollback) -> list[str]:
    """Return the steps that were left alone since somebody else had changed their target."""
    return _names(step for step in _skipped(rollback) if step.reason == DRIFTED)


def undecided(rollback: Rollback) -> list[str]:
    """Return the steps whose undo waits for a person to decide about drift."""
    return _names(step for step in rollback.steps if step.reason == UNDECIDED)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _skipped(rollback: Rollback) -> list[RollbackStep]:
    return [step for step in rollback.steps if step.phase is RollbackStepPhase.SKIPPED]


def _names(steps: Iterable[RollbackStep]) -> list[str]:
    return [step.name for step in steps]
