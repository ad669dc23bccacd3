"""What a look at a workflow and its executions adds to the status.

One decision per write: steps judged, figures that follow from them, and whether time is up
or all is over. The same facts give the same status, and then nothing is written.
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from services.monitor.core import ending, progress
from services.monitor.core.dry_runs import with_dry_runs
from services.monitor.core.judging import Executions, expected_executions, judged
from services.monitor.core.verifying import Rounds
from shared.api.enums import SETTLED_STEP_PHASES, TERMINAL_PHASES, Phase, StepPhase
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import WorkflowStatus
from shared.workflow.budgets import forward_deadline
from shared.workflow.stopping import stop_reason

__all__ = ["Timeouts", "assess", "deadline_of", "expected_executions"]

_MOVING: Final = frozenset({Phase.EXECUTING, Phase.PAUSED, Phase.AWAITING_APPROVAL})
"""Steps in flight settle while a workflow is held, too."""
_ENDED: Final = TERMINAL_PHASES - {Phase.COMPLETED}
_STOPPED: Final = _ENDED | {Phase.ROLLING_BACK}


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """How long a workflow may take forward, by its size."""

    small: timedelta
    medium: timedelta
    large: timedelta


def assess(
    workflow: WorkflowExecution,
    executions: Executions,
    *,
    now: datetime,
    timeouts: Timeouts | None = None,
    rounds: Rounds | None = None,
) -> WorkflowStatus | None:
    """Return the status with what is new, or None when nothing is.

    Args:
        workflow: the version that the result will be swapped against.
        executions: what a live read found of `expected_executions`.
        now: stamp of an end, and what deadlines are compared with.
        timeouts: how long workflows may take; None for without end.
        rounds: what was found of steps that are verified; None where nobody verifies any.
    """
    if workflow.status.execution_plan is None:
        return None
    if workflow.status.phase in _MOVING:
        after = _moved(workflow, executions, now=now, timeouts=timeouts, rounds=rounds)
    else:
        after = _summed_up(workflow, now=now)
    return after if _is_news(workflow.status, after) else None


def deadline_of(workflow: WorkflowExecution, timeouts: Timeouts) -> datetime | None:
    """Return when the time of a workflow is up, or None when that is not to be waited for."""
    stopped = stop_reason(workflow) is not None
    if workflow.status.phase is not Phase.EXECUTING or stopped or progress.is_over(workflow):
        return None
    return forward_deadline(
        workflow, small=timeouts.small, medium=timeouts.medium, large=timeouts.large
    )


def _moved(
    workflow: WorkflowExecution,
    executions: Executions,
    *,
    now: datetime,
    timeouts: Timeouts | None,
    rounds: Rounds | None,
) -> WorkflowStatus:
    seen = _with(workflow, ending.renewed(workflow))
    steps = judged(seen, executions, now=now, rounds=rounds)
    seen = _with(seen, msgspec.structs.replace(seen.status, steps=steps))
    deadline = deadline_of(seen, timeouts) if timeouts else None
    if deadline is not None and now >= deadline:
        seen = _with(seen, ending.with_timeout(seen, now=now))
    over = progress.is_over(seen)
    return _counted(seen, now=now, over=over)


def _counted(workflow: WorkflowExecution, *, now: datetime, over: bool) -> WorkflowStatus:
    status = msgspec.structs.replace(
        with_dry_runs(workflow.status),
        progress=max(workflow.status.progress, progress.percent(workflow)),
        health=progress.health(workflow),
        completed_steps=sum(s.phase is StepPhase.COMPLETED for s in workflow.status.steps),
        failed_steps=len(progress.failures(workflow)),
    )
    status = ending.with_failure(_with(workflow, status))
    if over and status.execution_complete_time is None:
        status = ending.with_end(_with(workflow, status), now=now)
    return status


def _summed_up(workflow: WorkflowExecution, *, now: datetime) -> WorkflowStatus:
    """Return the status of a workflow that others have ended, with what is missing in it."""
    status = workflow.status
    settled = all(step.phase in SETTLED_STEP_PHASES for step in status.steps)
    if status.phase not in _STOPPED or not settled or status.tokens:
        return status
    if status.execution_complete_time is None:
        status = _counted(workflow, now=now, over=True)
    return ending.with_last_word(_with(workflow, status)) if status.phase in _ENDED else status


def _is_news(before: WorkflowStatus, after: WorkflowStatus) -> bool:
    """Return whether a write is due; that all is well so far is no reason for the first one."""
    if before.health is None:
        return msgspec.structs.replace(after, health=None) != before
    return after != before


def _with(workflow: WorkflowExecution, status: WorkflowStatus) -> WorkflowExecution:
    return msgspec.structs.replace(workflow, status=status)
