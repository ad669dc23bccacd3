"""How long a workflow may take forward, and how long its way back may take.

Both run from the first grant: what comes before is planning, which has a limit of its own,
and waiting for people, which nothing limits here. Time held for people is added to both.
"""

from datetime import datetime, timedelta
from typing import Final

from shared.api.enums import RollbackType
from shared.api.workflow import WorkflowExecution
from shared.workflow import durations

SMALL_STEPS: Final = 3
"""A workflow of up to so many steps is small."""
MEDIUM_STEPS: Final = 10
LONGEST_RESERVE: Final = timedelta(minutes=15)
_RESERVED_SHARE: Final = 4


def forward_deadline(
    workflow: WorkflowExecution, *, small: timedelta, medium: timedelta, large: timedelta
) -> datetime | None:
    """Return when the way forward has used up its time.

    None while nothing has been granted yet, and while the workflow waits for people. A
    `spec.deadline` shortens the time, never lengthens it, and keeps a part for an automatic
    rollback.

    Args:
        workflow: as it stands; its steps are counted as planned, so an insertion counts.
        small: time for 1 to 3 steps.
        medium: time for 4 to 10 steps.
        large: time for more.
    """
    status = workflow.status
    if status.execution_start_time is None or status.held_since is not None:
        return None
    count = status.total_steps or len(workflow.spec.workflow_definition.steps)
    allowed = large
    if count <= MEDIUM_STEPS:
        allowed = small if count <= SMALL_STEPS else medium
    whole = _whole(workflow)
    if whole is not None:
        automatic = workflow.spec.rollback_strategy.type is RollbackType.AUTOMATIC
        allowed = min(allowed, whole - rollback_reserve(whole) if automatic else whole)
    return status.execution_start_time + allowed + timedelta(seconds=status.held_seconds)


def rollback_reserve(whole: timedelta) -> timedelta:
    """Return the part of a workflow's whole time that is kept for the way back."""
    return min(LONGEST_RESERVE, whole / _RESERVED_SHARE)


def rollback_budget(workflow: WorkflowExecution, *, longest: timedelta, now: datetime) -> timedelta:
    """Return how long a way back that begins at `now` may take.

    What `spec.deadline` leaves, but never less than the reserve and never more than
    `longest`. A rollback asked for by a person long afterwards has the reserve as well.
    """
    whole = _whole(workflow)
    if whole is None:
        return longest
    status = workflow.status
    used = now - (status.execution_start_time or now) - timedelta(seconds=status.held_seconds)
    return min(longest, max(whole - used, rollback_reserve(whole)))


def _whole(workflow: WorkflowExecution) -> timedelta | None:
    return durations.parse(workflow.spec.deadline) if workflow.spec.deadline else None
