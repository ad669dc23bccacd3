"""How often an undo is tried, and how long it and the whole way back may take."""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import RetryPolicy
from shared.api.workflow_status import Rollback
from shared.workflow import durations, retries
from shared.workflow.budgets import rollback_budget

GRACE: Final = timedelta(seconds=30)
"""What an executor has beyond the timeout to say itself that time is up."""
_BACKOFF: Final = RetryPolicy(initial_delay="1s", multiplier=2.0)


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of every way back; None for without end."""

    attempts: int = 3
    """Tries of one undo."""
    step: timedelta | None = None
    """Longest time of one try."""
    whole: timedelta | None = None
    """Longest time of the whole way back."""

    def timeout(self, wanted: str) -> str:
        """Return a timeout as it was asked for, or cut to the longest time of one try."""
        if self.step is None or durations.parse(wanted) <= self.step:
            return wanted
        return durations.render(self.step)


def retry_time(attempt: int, *, ended: datetime) -> datetime:
    """Return when an undo whose `attempt`th try failed is tried again: after 1, 2, 4... s."""
    return ended + retries.delay(_BACKOFF, attempt)


def whole_time(workflow: WorkflowExecution, rollback: Rollback, bounds: Bounds) -> timedelta | None:
    """Return how long a way back may take, waits for people not counted; None for for ever."""
    if bounds.whole is None or rollback.start_time is None:
        return None
    return rollback_budget(workflow, longest=bounds.whole, now=rollback.start_time)


def deadline_of(workflow: WorkflowExecution, rollback: Rollback, bounds: Bounds) -> datetime | None:
    """Return when a way back begins nothing more, or None if that never happens."""
    whole = whole_time(workflow, rollback, bounds)
    if whole is None or rollback.start_time is None:
        return None
    return rollback.start_time + whole + timedelta(seconds=rollback.held_seconds)
