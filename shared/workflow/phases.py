"""Phase and conditions, derived from the slices by one pure function.

Nobody decides a phase: every writer folds the slices and writes the result together with
the slice that caused it. An illegal transition raises, and the status stays as it was.
"""

from datetime import datetime
from typing import Final

import msgspec

from shared.api.enums import (
    SETTLED_STEP_PHASES,
    Control,
    Phase,
    RollbackPhase,
    RollbackType,
    StepPhase,
    StepReason,
)
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import WorkflowStatus
from shared.errors import PermanentError
from shared.workflow.conditions import conditions_of, merged
from shared.workflow.explaining import explain
from shared.workflow.stopping import is_cancelled, stop_reason
from shared.workflow.transitions import is_legal

HELD_PHASES: Final = frozenset({Phase.PAUSED, Phase.AWAITING_APPROVAL, Phase.DEGRADED})
"""Waiting for people; no timeout runs meanwhile."""
_ROLLBACK_PHASES: Final = {
    RollbackPhase.NOT_REQUESTED: Phase.FAILED,
    RollbackPhase.AWAITING_TRIGGER: Phase.DEGRADED,
    RollbackPhase.RUNNING: Phase.ROLLING_BACK,
    RollbackPhase.COMPLETED: Phase.ROLLED_BACK,
    RollbackPhase.FAILED: Phase.ROLLBACK_FAILED,
}


class IllegalTransitionError(PermanentError):
    """A slice would move the workflow to a phase it cannot reach from where it is."""

    def __init__(self, before: Phase, after: Phase) -> None:
        super().__init__("IllegalTransition", f"{before} cannot become {after}")


def rollback_is_due(workflow: WorkflowExecution) -> bool:
    """Return whether the workflow was stopped, not cancelled, and all in flight has settled.

    The monitor has summed up by then: who reads the end finds what failed, and why.
    """
    return (
        workflow.status.phase is Phase.EXECUTING
        and workflow.status.execution_complete_time is not None
        and stop_reason(workflow) is not None
        and not is_cancelled(workflow)
        and _is_quiet(workflow.status)
    )


def rollback_is_asked(workflow: WorkflowExecution) -> bool:
    """Return whether a person wants a Degraded workflow rolled back, and may have that.

    What stands in the spec is what was accepted: a correction is waited for.
    """
    spec, status = workflow.spec, workflow.status
    rollback, control = status.rollback, status.control
    waits = rollback is not None and rollback.phase is RollbackPhase.AWAITING_TRIGGER
    return (
        status.phase is Phase.DEGRADED
        and waits
        and spec.control is Control.ROLLBACK
        and control is not None
        and control.accepted
        and (control.verb, control.rollback_to) == (spec.control, spec.rollback_to or "")
    )


def rollback_is_automatic(workflow: WorkflowExecution) -> bool:
    """Return whether a Degraded workflow is to be rolled back now without anybody asking.

    It was sent forward again after a step that could not be created, and stopped for another
    reason, so that its strategy decides after all.
    """
    rollback = workflow.status.rollback
    waiting = rollback is not None and rollback.phase is RollbackPhase.AWAITING_TRIGGER
    automatic = workflow.spec.rollback_strategy.type is RollbackType.AUTOMATIC
    degraded = workflow.status.phase is Phase.DEGRADED
    return waiting and degraded and automatic and not lacks_an_execution(workflow)


def rollback_may_begin(workflow: WorkflowExecution) -> bool:
    """Return whether the way back, or what stands for it, is to be written now."""
    return (
        rollback_is_due(workflow) or rollback_is_asked(workflow) or rollback_is_automatic(workflow)
    )


def lacks_an_execution(workflow: WorkflowExecution) -> bool:
    """Return whether a step failed since nobody could create its execution: nor its undo's."""
    return any(
        step.phase is StepPhase.FAILED and step.reason is StepReason.EXECUTION_CREATION_ERROR
        for step in workflow.status.steps
    )


def phase_of(workflow: WorkflowExecution) -> Phase:
    """Fold the slices of a workflow into its phase."""
    status = workflow.status
    stopped = stop_reason(workflow) is not None
    if status.rollback is not None and not _is_retried(status, stopped=stopped):
        return _ROLLBACK_PHASES[status.rollback.phase]
    if status.validation_results and status.validation_results.validation_errors:
        return Phase.FAILED
    if stopped and not status.tokens and _needs_no_undoing(workflow):
        return _ended_early(workflow)
    if status.execution_plan is None:
        return Phase.PLANNING if status.planning_start_time else Phase.PENDING
    return _stopping(status) if stopped else _going_on(status)


def _stopping(status: WorkflowStatus) -> Phase:
    """Return the phase until the end is settled: a failure while paused waits for a resume."""
    held = status.control is not None and status.control.paused
    return Phase.PAUSED if held else Phase.EXECUTING


def _going_on(status: WorkflowStatus) -> Phase:
    """Return the phase of a planned workflow that nothing has stopped."""
    approval = status.approval
    if approval is not None and approval.required and not approval.decision:
        return Phase.AWAITING_APPROVAL
    if status.control is not None and status.control.paused:
        return Phase.PAUSED
    if status.execution_complete_time is not None and _is_quiet(status):
        return Phase.COMPLETED
    gated = any(step.reason is StepReason.AWAITING_APPROVAL for step in status.steps)
    return Phase.AWAITING_APPROVAL if gated and not status.tokens else Phase.EXECUTING


def _ended_early(workflow: WorkflowExecution) -> Phase:
    """Return the end of a workflow that stops without anything to undo."""
    control = workflow.status.control
    asked = control is not None and control.stop is not None
    if asked:
        return Phase.CANCELLED
    denied = stop_reason(workflow) in {StepReason.APPROVAL_REJECTED, StepReason.APPROVAL_EXPIRED}
    return Phase.FAILED if denied else Phase.EXECUTING


def _needs_no_undoing(workflow: WorkflowExecution) -> bool:
    """Return whether nothing was started, or a person wants what was done to stay."""
    status = workflow.status
    begun = any(step.attempts for step in status.steps)
    summed_up = status.execution_complete_time is not None and _is_quiet(status)
    return not begun or (is_cancelled(workflow) and summed_up)


def _is_quiet(status: WorkflowStatus) -> bool:
    """Return whether no token is held and no step can move any more."""
    return not status.tokens and all(step.phase in SETTLED_STEP_PHASES for step in status.steps)


def _is_retried(status: WorkflowStatus, *, stopped: bool) -> bool:
    """Return whether a person sent a Degraded workflow forward again.

    One that a person then ended was: as Degraded it would only have been rolled back. One
    that a person then paused was, since a Degraded one cannot be.
    """
    rollback, control = status.rollback, status.control
    waiting = rollback is not None and rollback.phase is RollbackPhase.AWAITING_TRIGGER
    held = control is not None and (control.stop is not None or control.paused)
    return waiting and (held or not (stopped and _is_quiet(status)))


def derive(workflow: WorkflowExecution, after: WorkflowStatus, *, now: datetime) -> WorkflowStatus:
    """Return `after` with everything derived filled in: phase, conditions, counts, time held.

    Raises:
        IllegalTransitionError: when the phase cannot be reached from the present one.
    """
    changed = msgspec.structs.replace(workflow, status=after)
    phase = phase_of(changed)
    if not is_legal(workflow.status.phase, phase):
        raise IllegalTransitionError(workflow.status.phase, phase)
    reason, message = explain(changed, phase)
    generation = workflow.metadata.generation
    conditions = merged(
        workflow.status.conditions,
        conditions_of(changed, phase, reason, message),
        now=now,
        generation=generation,
    )
    return msgspec.structs.replace(
        _held(after, phase, now=now),
        phase=phase,
        reason=reason,
        message=message,
        conditions=conditions,
        skipped_steps=sum(step.phase is StepPhase.SKIPPED for step in after.steps),
        observed_generation=generation,
    )


def _held(status: WorkflowStatus, phase: Phase, *, now: datetime) -> WorkflowStatus:
    """Keep count of the time that a started workflow waits for people."""
    if phase in HELD_PHASES:
        since = status.held_since or (now if status.execution_start_time else None)
        return msgspec.structs.replace(status, held_since=since)
    if status.held_since is None:
        return status
    waited = int((now - status.held_since).total_seconds())
    return msgspec.structs.replace(
        status, held_since=None, held_seconds=status.held_seconds + max(0, waited)
    )
