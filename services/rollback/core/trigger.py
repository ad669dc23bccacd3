"""Whether the way back has to move, and where to: a chain of checks, the first one wins."""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from services.rollback.core import reverse
from services.rollback.core.advance import advance, due_end, execution_of
from services.rollback.core.bounds import Bounds, deadline_of, whole_time
from services.rollback.core.guarding import Safety
from services.rollback.core.undo import Executions, NoUndo, undo_of
from shared.api.enums import (
    Control,
    ExecutionKind,
    RollbackPhase,
    RollbackStepPhase,
)
from shared.api.execution import KubernetesExecution
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import Rollback, RollbackStep, WorkflowStatus
from shared.workflow.executions import new_execution
from shared.workflow.phases import (
    lacks_an_execution,
    rollback_is_asked,
    rollback_is_automatic,
    rollback_is_due,
    rollback_may_begin,
)

DEFAULTS = Bounds()


def decide(
    workflow: WorkflowExecution,
    executions: Executions,
    *,
    now: datetime,
    bounds: Bounds = DEFAULTS,
    safety: Safety | None = None,
    fresh: bool = True,
) -> WorkflowStatus | None:
    """Return the status with the way back moved on, or None when it has nothing to do.

    Args:
        workflow: the version that the result will be swapped against.
        executions: all of the workflow, by name.
        now: stamp of what begins or ends.
        bounds: how often and how long an undo is tried.
        safety: what the safety policies said of the tries that may begin; None where nobody asks.
        fresh: whether the executions were read after this version of the workflow. One that is
            missing from an older read may have been created since.
    """
    rollback = _moved(workflow, executions, now=now, bounds=bounds, safety=safety, fresh=fresh)
    if rollback is None or rollback == workflow.status.rollback:
        return None
    return msgspec.structs.replace(
        workflow.status,
        rollback=rollback,
        rollback_start_time=rollback.start_time,
        rollback_complete_time=rollback.completion_time,
    )


def may_move(workflow: WorkflowExecution) -> bool:
    """Return whether the way back of a workflow may have something to do."""
    rollback = workflow.status.rollback
    if rollback is not None and rollback.phase is RollbackPhase.RUNNING:
        return True
    return rollback_may_begin(workflow)


def next_try(
    workflow: WorkflowExecution, executions: Executions, *, now: datetime, bounds: Bounds
) -> KubernetesExecution | None:
    """Return the execution of the try that begins next if no policy denies it, if one does."""
    status = decide(workflow, executions, now=now, bounds=bounds)
    if status is None:
        return None
    begun = msgspec.structs.replace(workflow, status=status)
    before, after = _running(workflow), _running(begun)
    if after is None or (before is not None and before.fence == after.fence):
        return None
    return wanted_execution(begun, executions, bounds=bounds)


def wanted_execution(
    workflow: WorkflowExecution, executions: Executions, *, bounds: Bounds = DEFAULTS
) -> KubernetesExecution | None:
    """Return the execution of the undo step that holds the reserved token."""
    step = _running(workflow)
    undo = undo_of(workflow, step.name, executions) if step else None
    if step is None or undo is None or isinstance(undo, NoUndo):
        return None
    return new_execution(
        workflow,
        step.name,
        action=str(undo.action),
        parameters=undo.parameters,
        timeout=bounds.timeout(undo.timeout),
        attempt=step.attempt,
        fence=step.fence,
        kind=ExecutionKind.ROLLBACK,
        rollback_of=undo.rollback_of,
    )


def overdue_unclaimed(
    workflow: WorkflowExecution, executions: Executions, *, now: datetime, bounds: Bounds
) -> KubernetesExecution | None:
    """Return the execution that nobody took up in time and that is to be cancelled."""
    step = _running(workflow)
    found = execution_of(workflow, step, executions) if step else None
    if step is None or found is None or found.is_claimed or found.is_terminal:
        return None
    due = due_end(workflow, step, executions, bounds)
    return found if due is not None and now >= due else None


def next_look(
    workflow: WorkflowExecution, executions: Executions, *, bounds: Bounds
) -> datetime | None:
    """Return when there will be something to do even if nothing happens till then."""
    rollback = workflow.status.rollback
    if rollback is None or rollback.phase is not RollbackPhase.RUNNING:
        return None
    return min(_times(workflow, rollback, executions, bounds), default=None)


def _times(
    workflow: WorkflowExecution, rollback: Rollback, executions: Executions, bounds: Bounds
) -> Iterator[datetime]:
    running = _running(workflow)
    due = due_end(workflow, running, executions, bounds) if running else None
    if due is not None:
        yield due
    pending = [step for step in rollback.steps if step.phase is RollbackStepPhase.PENDING]
    yield from (step.next_attempt_time for step in pending if step.next_attempt_time)
    asked = [step.asked_time for step in pending if step.asked_time is not None]
    if asked:
        longest = whole_time(workflow, rollback, bounds)
        yield from (time + longest for time in asked if longest is not None)
        return
    deadline = deadline_of(workflow, rollback, bounds)
    if pending and deadline is not None:
        yield deadline


def _running(workflow: WorkflowExecution) -> RollbackStep | None:
    steps = workflow.status.rollback.steps if workflow.status.rollback else []
    return next((step for step in steps if step.phase is RollbackStepPhase.RUNNING), None)


def _moved(
    workflow: WorkflowExecution,
    executions: Executions,
    *,
    now: datetime,
    bounds: Bounds,
    safety: Safety | None,
    fresh: bool,
) -> Rollback | None:
    rollback = workflow.status.rollback
    if rollback is not None and rollback.phase is RollbackPhase.RUNNING:
        return advance(
            workflow, rollback, executions, now=now, bounds=bounds, safety=safety, fresh=fresh
        )
    if rollback_is_due(workflow):
        return _started(workflow, executions, now=now)
    if rollback_is_asked(workflow):
        return reverse.begin(workflow, executions, now=now, to=_target(workflow))
    return reverse.begin(workflow, executions, now=now) if rollback_is_automatic(workflow) else None


def _started(workflow: WorkflowExecution, executions: Executions, *, now: datetime) -> Rollback:
    """Return the way back of a workflow that was stopped: as asked for, else by strategy."""
    if _is_asked(workflow):
        return reverse.begin(workflow, executions, now=now, to=_target(workflow))
    if lacks_an_execution(workflow):
        strategy = workflow.spec.rollback_strategy.type
        return Rollback(phase=RollbackPhase.AWAITING_TRIGGER, strategy=strategy)
    return reverse.by_strategy(workflow, executions, now=now)


def _is_asked(workflow: WorkflowExecution) -> bool:
    control = workflow.status.control
    return control is not None and control.stop is Control.ROLLBACK


def _target(workflow: WorkflowExecution) -> str:
    """Return the step that the accepted rollback stops at; empty for none."""
    return workflow.status.control.back_to if workflow.status.control else ""
