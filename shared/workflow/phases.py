"""Phase and conditions, derived from the slices by one pure function.

Nobody decides a phase: every writer folds the slices and writes the result together with
the slice that caused it. An illegal transition raises, and the status stays as it was.
"""

from datetime import datetime

import msgspec

from shared.api.enums import (
    SETTLED_STEP_PHASES,
    TERMINAL_PHASES,
    Phase,
    RollbackPhase,
    StepPhase,
)
from shared.api.meta import Condition, ConditionStatus
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import StepStatus, WorkflowStatus
from shared.errors import PermanentError
from shared.workflow.transitions import is_legal

_MAX_MESSAGE = 256
_ROLLBACK_PHASES = {
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
        if status.approval.decision in {"Rejected", "Expired"}:
            return Phase.FAILED
        if status.approval.decision != "Approved":
            return Phase.AWAITING_APPROVAL
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
    conditions = _merge(
        workflow.status.conditions, _conditions(changed, phase, reason, message), now, generation
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


def _conditions(
    workflow: WorkflowExecution, phase: Phase, reason: str, message: str
) -> list[Condition]:
    status = workflow.status
    terminal = phase in TERMINAL_PHASES
    invalid = bool(status.validation_results and status.validation_results.validation_errors)
    found = [
        _condition("Complete", terminal, str(phase), message),
        _condition(
            "Succeeded",
            (phase is Phase.COMPLETED) if terminal else None,
            reason if terminal else "InProgress",
            message,
        ),
        _condition("Ready", phase is Phase.COMPLETED, str(phase), message),
        _condition("Reconciling", not terminal, str(phase), ""),
    ]
    if status.execution_plan is not None or invalid:
        planned = _condition("Planned", not invalid, reason if invalid else "PlanReady", "")
        found.append(planned)
    if invalid:
        found.append(_condition("ValidationFailed", True, reason, message))
    if status.rollback is not None:
        found += _rollback_conditions(phase, message)
    return found


def _rollback_conditions(phase: Phase, message: str) -> list[Condition]:
    match phase:
        case Phase.ROLLED_BACK:
            return [_condition("RolledBack", True, "RollbackCompleted", message)]
        case Phase.ROLLBACK_FAILED:
            return [_condition("RolledBack", False, "RollbackFailed", message)]
        case Phase.DEGRADED:
            return [_condition("Degraded", True, "ManualRollback", message)]
        case Phase.ROLLING_BACK:
            return [_condition("Degraded", False, "RollingBack", "")]
        case _:
            return []


def _condition(
    type_: str,
    holds: bool | None,
    reason: str,
    message: str,
) -> Condition:
    words = {True: ConditionStatus.TRUE, False: ConditionStatus.FALSE}
    status = ConditionStatus.UNKNOWN if holds is None else words[holds]
    return Condition(type=type_, status=status, reason=reason, message=message)


def _merge(
    old: list[Condition], new: list[Condition], now: datetime, generation: int
) -> list[Condition]:
    """Keep the transition time of conditions whose status did not change."""
    known = {condition.type: condition for condition in old}
    merged = dict(known)
    for condition in new:
        before = known.get(condition.type)
        same = before is not None and before.status == condition.status
        merged[condition.type] = msgspec.structs.replace(
            condition,
            last_transition_time=before.last_transition_time if before and same else now,
            observed_generation=generation,
        )
    return list(merged.values())
