"""Phase and conditions, derived from the slices by one pure function.

Nobody decides a phase: every writer folds the slices and writes the result together with
the slice that caused it. An illegal transition raises, and the status stays as it was.
"""

from datetime import datetime

import msgspec

from shared.api.enums import (
    SETTLED_STEP_PHASES,
    Phase,
    RollbackPhase,
    StepPhase,
)
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import StepStatus, WorkflowStatus
from shared.errors import PermanentError
from shared.workflow.conditions import conditions_of, merged
from shared.workflow.transitions import is_legal

_MAX_MESSAGE = 256
_ROLLBACK_PHASES = {
    RollbackPhase.NOT_REQUESTED: Phase.FAILED,
    RollbackPhase.AWAITING_TRIGGER: Phase.DEGRADED,
    RollbackPhase.RUNNING: Phase.ROLLING_BACK,
    RollbackPhase.COMPLETED: Phase.ROLLED_BACK,
    RollbackPhase.FAILED: Phase.ROLLBACK_FAILED,
}
_UNAPPROVED = {
    "": Phase.AWAITING_APPROVAL,
    "Rejected": Phase.FAILED,
    "Expired": Phase.FAILED,
}


class IllegalTransitionError(PermanentError):
    """A slice would move the workflow to a phase it cannot reach from where it is."""

    def __init__(self, before: Phase, after: Phase) -> None:
        super().__init__("IllegalTransition", f"{before} cannot become {after}")


def critical_failure(workflow: WorkflowExecution) -> StepStatus | None:
    """Return the first failed step (in plan order) whose failure is not tolerated."""
    tolerated = {
        step.name for step in workflow.spec.workflow_definition.steps if not step.critical_step
    }
    for step in workflow.status.steps:
        if step.phase is StepPhase.FAILED and step.name not in tolerated:
            return step
    return None


def rollback_is_due(workflow: WorkflowExecution) -> bool:
    """Return whether a critical step failed and everything in flight has settled."""
    status = workflow.status
    return (
        status.phase is Phase.EXECUTING
        and critical_failure(workflow) is not None
        and not status.tokens
        and all(step.phase in SETTLED_STEP_PHASES for step in status.steps)
    )


def phase_of(workflow: WorkflowExecution) -> Phase:
    """Fold the slices of a workflow into its phase."""
    status = workflow.status
    if status.rollback is not None:
        return _ROLLBACK_PHASES[status.rollback.phase]
    if status.validation_results and status.validation_results.validation_errors:
        return Phase.FAILED
    if status.execution_plan is None:
        return Phase.PLANNING if status.planning_start_time else Phase.PENDING
    if status.approval is not None and status.approval.required:
        waiting = _UNAPPROVED.get(status.approval.decision)
        return waiting or _executing(workflow)
    return _executing(workflow)


def _executing(workflow: WorkflowExecution) -> Phase:
    status = workflow.status
    done = status.execution_complete_time is not None and not status.tokens
    if done and critical_failure(workflow) is None:
        return Phase.COMPLETED
    return Phase.EXECUTING


def derive(workflow: WorkflowExecution, after: WorkflowStatus, *, now: datetime) -> WorkflowStatus:
    """Return `after` with phase, reason, message, conditions and observedGeneration filled in.

    Raises:
        IllegalTransitionError: when the phase cannot be reached from the present one.
    """
    changed = msgspec.structs.replace(workflow, status=after)
    phase = phase_of(changed)
    if not is_legal(workflow.status.phase, phase):
        raise IllegalTransitionError(workflow.status.phase, phase)
    reason, message = _explain(changed, phase)
    generation = workflow.metadata.generation
    conditions = merged(
        workflow.status.conditions,
        conditions_of(changed, phase, reason, message),
        now=now,
        generation=generation,
    )
    return msgspec.structs.replace(
        after,
        phase=phase,
        reason=reason,
        message=message,
        conditions=conditions,
        observed_generation=generation,
    )


def _explain(workflow: WorkflowExecution, phase: Phase) -> tuple[str, str]:
    status = workflow.status
    failed = critical_failure(workflow)
    if phase is Phase.AWAITING_APPROVAL and status.approval:
        return "ApprovalRequired", status.approval.reason
    if status.validation_results and status.validation_results.validation_errors:
        first, *others = status.validation_results.validation_errors
        more = f" (and {len(others)} more in status.validationResults)" if others else ""
        reason = first.split(": ")[1] if first.count(": ") > 1 else "ValidationFailed"
        return reason, f"{first[: _MAX_MESSAGE - len(more)]}{more}"
    if failed is None:
        if phase is Phase.FAILED and status.approval:
            return f"Approval{status.approval.decision}", status.approval.reason
        return str(phase), ""
    cause = f"step {failed.name} failed: {failed.message or failed.error_type}"
    return "StepFailed", _with_rollback(workflow, cause)[:_MAX_MESSAGE]


def _with_rollback(workflow: WorkflowExecution, cause: str) -> str:
    rollback = workflow.status.rollback
    if rollback is None:
        return cause
    if rollback.phase is RollbackPhase.AWAITING_TRIGGER:
        return f"{cause}; set spec.control to rollback to undo the completed steps"
    undone = sum(step.phase == "Completed" for step in rollback.steps)
    skipped = [step.name for step in rollback.steps if step.phase == "Skipped"]
    failed = [step.name for step in rollback.steps if step.phase == "Failed"]
    text = f"{cause}; {undone} of {len(rollback.steps)} steps undone"
    text += f"; undo failed: {', '.join(failed)}" if failed else ""
    return text + (f"; not undone: {', '.join(skipped)}" if skipped else "")
