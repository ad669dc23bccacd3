"""One step further back: ended undos recorded, failed ones tried again, the next one granted.

Back is just another plan: each try of an undo is one execution under a reserved token, one at
a time. An undo that waits, to be tried again or for a person to decide about drift, holds up
those after it, since the order matters.
"""

from datetime import datetime
from typing import Final

import msgspec

from services.rollback.core import drift
from services.rollback.core.bounds import GRACE, Bounds, deadline_of, retry_time, whole_time
from services.rollback.core.guarding import Safety, guarded
from services.rollback.core.repeating import can_be_repeated, lost_end
from services.rollback.core.undo import Executions, NoUndo, undo_of
from shared.api.enums import (
    ErrorType,
    ExecutionKind,
    ExecutionPhase,
    RollbackPhase,
    RollbackStepPhase,
)
from shared.api.execution import KubernetesExecution
from shared.api.meta import NamedRef
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import Rollback, RollbackStep
from shared.workflow import durations
from shared.workflow.executions import name_of
from shared.workflow.undone import DRIFTED, UNKNOWN

TIMED_OUT: Final = "TimedOut"
RETRYING: Final = "Retrying"
_PERMANENT: Final = frozenset(
    {
        ErrorType.PERMISSION_DENIED,
        ErrorType.VALIDATION_ERROR,
        ErrorType.POLICY_DENIED,
        ErrorType.RESOURCE_NOT_FOUND,
    }
)
_MAX_MESSAGE: Final = 256


def advance(
    workflow: WorkflowExecution,
    rollback: Rollback,
    executions: Executions,
    *,
    now: datetime,
    bounds: Bounds,
    safety: Safety | None = None,
    fresh: bool = True,
) -> Rollback:
    """Return the rollback with ended undos recorded and the next one given its token.

    Args:
        workflow: as it stands.
        rollback: its way back, which is running.
        executions: all of the workflow, by name.
        now: stamp of a grant, and what times are compared with.
        bounds: how often and how long an undo is tried.
        safety: what the safety policies said of the tries that may begin; one that nobody
            asked about does not. None where nobody asks.
        fresh: whether the executions were read after this version of the workflow.
    """
    observed = [
        _observed(workflow, step, executions, now=now, bounds=bounds, fresh=fresh)
        for step in rollback.steps
    ]
    longest = whole_time(workflow, rollback, bounds)
    steps = drift.decided(workflow, observed, now=now, longest=longest)
    held = rollback.held_seconds + drift.waited(observed, steps, now=now)
    rollback = msgspec.structs.replace(rollback, held_seconds=held)
    if any(drift.is_asking(step) for step in steps):
        return msgspec.structs.replace(rollback, steps=steps, failures=_failures(steps))
    deadline = deadline_of(workflow, rollback, bounds)
    if deadline is not None and now >= deadline:
        steps = [_given_up(step, rollback, deadline) for step in steps]
    while not any(step.phase is RollbackStepPhase.RUNNING for step in steps):
        position = next(
            (i for i, s in enumerate(steps) if s.phase is RollbackStepPhase.PENDING), None
        )
        if position is None:
            return _finished(rollback, steps, now=now)
        waits_until = steps[position].next_attempt_time
        if waits_until is not None and now < waits_until:
            break
        granted = _granted(workflow, steps, position, executions, now=now)
        if granted.phase is RollbackStepPhase.RUNNING and safety is not None:
            granted = guarded(steps[position], granted, safety, now=now)
        if granted.phase is RollbackStepPhase.PENDING:
            steps[position] = granted
            break
        steps[position] = granted
    return msgspec.structs.replace(rollback, steps=steps, failures=_failures(steps))


def execution_of(
    workflow: WorkflowExecution, step: RollbackStep, executions: Executions
) -> KubernetesExecution | None:
    """Return the execution of the latest try of an undo, if there is one."""
    name = name_of(workflow, step.name, step.attempt, ExecutionKind.ROLLBACK)
    return executions.get(name)


def due_end(
    workflow: WorkflowExecution, step: RollbackStep, executions: Executions, bounds: Bounds
) -> datetime | None:
    """Return when a try in flight should long have ended; None if it may take for ever.

    The time of one that waits for an executor, or for its target, runs from the grant.
    """
    found = execution_of(workflow, step, executions)
    claimed = found.status.start_time if found is not None and found.is_claimed else None
    began = claimed or step.start_time
    if bounds.step is None or began is None:
        return None
    allowed = durations.parse(found.spec.timeout) if found is not None else bounds.step
    return began + allowed + GRACE


def _observed(
    workflow: WorkflowExecution,
    step: RollbackStep,
    executions: Executions,
    *,
    now: datetime,
    bounds: Bounds,
    fresh: bool,
) -> RollbackStep:
    if step.phase is not RollbackStepPhase.RUNNING:
        return step
    found = execution_of(workflow, step, executions)
    lost = lost_end(workflow, step, executions) if found is None and fresh else None
    if lost is not None:
        return _ended(step, lost.phase, lost.reason, lost.message)
    if found is not None and (found.is_terminal or not can_be_repeated(found)):
        step = msgspec.structs.replace(step, execution_ref=_ref_of(found))
    if found is None or not found.is_terminal:
        return _overdue(workflow, step, executions, now=now, bounds=bounds)
    match found.status.phase:
        case ExecutionPhase.COMPLETED:
            return _ended(step, RollbackStepPhase.COMPLETED, _reason(found), found.status.message)
        case ExecutionPhase.CANCELLED:
            message = f"nobody took it up in time: {found.status.message}"
            return _ended(step, RollbackStepPhase.FAILED, TIMED_OUT, message)
        case _:
            return _failed(step, found, now=now, attempts=bounds.attempts)


def _overdue(
    workflow: WorkflowExecution,
    step: RollbackStep,
    executions: Executions,
    *,
    now: datetime,
    bounds: Bounds,
) -> RollbackStep:
    """Return a try in flight as it is, or failed when it should long have ended.

    One that nobody has claimed is cancelled first, so that nobody can claim it any more.
    """
    due = due_end(workflow, step, executions, bounds)
    found = execution_of(workflow, step, executions)
    if due is None or now < due or (found is not None and not found.is_claimed):
        return step
    message = "its execution could not be created in time"
    if found is not None:
        held = found.status.claimed_by
        message = f"no result within {found.spec.timeout}, and none since; {held} holds it"
    return _ended(step, RollbackStepPhase.FAILED, TIMED_OUT, message)


def _failed(
    step: RollbackStep, found: KubernetesExecution, *, now: datetime, attempts: int
) -> RollbackStep:
    reason, why = _reason(found), found.status.message
    if reason == DRIFTED and drift.is_open(found):
        return drift.asking(step, why, now=now)
    if reason == DRIFTED:
        return _ended(step, RollbackStepPhase.SKIPPED, reason, why)
    results = found.status.execution_results
    error = (results.error_type if results else None) or ErrorType.UNKNOWN_ERROR
    why = why or str(error)
    lost = reason == UNKNOWN and not can_be_repeated(found)
    if lost or error in _PERMANENT or step.attempt >= attempts:
        message = f"after {step.attempt} attempts: {why}" if step.attempt > 1 else why
        return _ended(step, RollbackStepPhase.FAILED, reason, message)
    due = retry_time(step.attempt, ended=found.status.completion_time or now)
    begin = f"attempt {step.attempt} of {attempts} failed: "
    end = f"; next at {due:%H:%M:%S}Z"
    return msgspec.structs.replace(
        step,
        phase=RollbackStepPhase.PENDING,
        reason=RETRYING,
        message=f"{begin}{why[: _MAX_MESSAGE - len(begin) - len(end)]}{end}",
        next_attempt_time=due,
    )


def _given_up(step: RollbackStep, rollback: Rollback, deadline: datetime) -> RollbackStep:
    """Return an undo that begins no more because the time of the whole way back is up."""
    if step.phase is not RollbackStepPhase.PENDING:
        return step
    seconds = (deadline - (rollback.start_time or deadline)).total_seconds()
    message = f"not undone: the {seconds:g}s of the whole rollback were up"
    if step.attempt:
        message = f"{message}; {step.message}"
    return _ended(step, RollbackStepPhase.FAILED, TIMED_OUT, message)


def _granted(
    workflow: WorkflowExecution,
    steps: list[RollbackStep],
    position: int,
    executions: Executions,
    *,
    now: datetime,
) -> RollbackStep:
    step = steps[position]
    undo = undo_of(workflow, step.name, executions)
    if isinstance(undo, NoUndo):
        return _ended(step, undo.phase, undo.reason, undo.message)
    attempt = step.attempt + 1
    name = name_of(workflow, step.name, attempt, ExecutionKind.ROLLBACK)
    return msgspec.structs.replace(
        step,
        phase=RollbackStepPhase.RUNNING,
        attempt=attempt,
        fence=max([workflow.status.last_fence, *(s.fence for s in steps)]) + 1,
        execution_ref=NamedRef(name=name, namespace=workflow.metadata.namespace),
        start_time=now,
        next_attempt_time=None,
        reason="",
        message="",
    )


def _ended(step: RollbackStep, phase: RollbackStepPhase, reason: str, message: str) -> RollbackStep:
    return msgspec.structs.replace(
        step,
        phase=phase,
        reason=reason,
        message=message[:_MAX_MESSAGE],
        next_attempt_time=None,
    )


def _ref_of(execution: KubernetesExecution) -> NamedRef:
    meta = execution.metadata
    return NamedRef(name=meta.name, namespace=meta.namespace, uid=meta.uid)


def _reason(execution: KubernetesExecution) -> str:
    results = execution.status.execution_results
    return results.reason if results else ""


def _finished(rollback: Rollback, steps: list[RollbackStep], *, now: datetime) -> Rollback:
    failures = _failures(steps)
    return msgspec.structs.replace(
        rollback,
        steps=steps,
        failures=failures,
        phase=RollbackPhase.FAILED if failures else RollbackPhase.COMPLETED,
        completion_time=now,
    )


def _failures(steps: list[RollbackStep]) -> int:
    return sum(step.phase is RollbackStepPhase.FAILED for step in steps)
