"""The conditions of a workflow: what `kubectl wait` waits for."""

from datetime import datetime

import msgspec

from shared.api.enums import TERMINAL_PHASES, ErrorType, Phase, StepPhase, StepReason
from shared.api.meta import Condition, ConditionStatus
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import Decision, Rollback, WorkflowStatus
from shared.workflow.overriding import override_conditions
from shared.workflow.undone import DRIFTED, UNDECIDED, drifted, irreversible, summary

_MAX_MESSAGE = 256
_MAX_CONDITION = 1024
"""Room for names, where a condition is all that lists them."""
_DENIED = StepReason.POLICY_VIOLATION
_TRUE, _FALSE, _UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN


def conditions_of(
    workflow: WorkflowExecution, phase: Phase, reason: str, message: str
) -> list[Condition]:
    """Return the conditions that a phase stands for, without their times."""
    terminal = phase in TERMINAL_PHASES
    found = [
        _condition("Complete", _truth(terminal), str(phase), message),
        _condition(
            "Succeeded",
            _truth(phase is Phase.COMPLETED) if terminal else _UNKNOWN,
            reason if terminal else "InProgress",
            message,
        ),
        _condition("Ready", _truth(phase is Phase.COMPLETED), str(phase), message),
        _condition("Reconciling", _truth(not terminal), str(phase), ""),
        *_planning_conditions(workflow, reason, message),
        *_approval_conditions(workflow.status),
        *_blocked_conditions(workflow.status),
        *_control_conditions(workflow.status),
        *_creation_conditions(workflow.status),
        *_precondition_conditions(workflow.status),
        *_postcondition_conditions(workflow.status),
        *_safety_conditions(workflow.status),
        *override_conditions(workflow),
    ]
    if workflow.status.timed_out_at is not None:
        found.append(_condition("TimedOut", _TRUE, "TimedOut", message))
    if workflow.status.rollback is not None:
        found += _rollback_conditions(workflow.status.rollback, phase, message)
        found += _decision_conditions(workflow.status)
    return found


def _planning_conditions(workflow: WorkflowExecution, reason: str, message: str) -> list[Condition]:
    status = workflow.status
    if status.validation_results and status.validation_results.validation_errors:
        return [
            _condition("Planned", _FALSE, reason, ""),
            _condition("ValidationFailed", _TRUE, reason, message),
        ]
    if status.execution_plan is not None:
        lasting = irreversible(status.execution_plan, limit=_MAX_CONDITION)
        return [_condition("Planned", _TRUE, "PlanReady", lasting)]
    return []


def _approval_conditions(status: WorkflowStatus) -> list[Condition]:
    """Return whether people agreed; absent where nobody has to."""
    if status.approval is None:
        return []
    asked: list[Decision] = [*status.approval.gates.values()]
    if status.approval.required:
        asked.insert(0, status.approval)
    if not asked:
        return []
    words = {"": "Requested", "Approved": "Granted"}
    latest = next((each for each in asked if each.decision != "Approved"), asked[-1])
    reason = words.get(latest.decision, latest.decision)
    message = f"{latest.decision} by {latest.decided_by}" if latest.decided_by else latest.reason
    return [_condition("Approved", _truth(latest.decision == "Approved"), reason, message)]


def _blocked_conditions(status: WorkflowStatus) -> list[Condition]:
    """Return what a step waits for outside of the workflow; False once nothing does."""
    blocked = [step for step in status.steps if step.phase is StepPhase.BLOCKED]
    if blocked:
        message = "; ".join(f"step {step.name}: {step.message}" for step in blocked)
        reason = str(blocked[0].reason or "Blocked")
        return [_condition("Blocked", _TRUE, reason, message[:_MAX_MESSAGE])]
    was_blocked = any(condition.type == "Blocked" for condition in status.conditions)
    return [_condition("Blocked", _FALSE, "Released", "")] if was_blocked else []


def _control_conditions(status: WorkflowStatus) -> list[Condition]:
    """Return whether the latest spec.control is followed."""
    control = status.control
    if control is None:
        return []
    reason = control.reason or ("Accepted" if control.verb else "None")
    return [_condition("ControlAccepted", _truth(control.accepted), reason, control.message)]


def _creation_conditions(status: WorkflowStatus) -> list[Condition]:
    failed = next(
        (s for s in status.steps if s.reason is StepReason.EXECUTION_CREATION_ERROR), None
    )
    if failed is None:
        return []
    message = f"step {failed.name}: {failed.message}"
    return [_condition("StepCreationFailed", _TRUE, str(failed.reason), message)]


def _precondition_conditions(status: WorkflowStatus) -> list[Condition]:
    """Return which step its preconditions hold up, or kept from starting at all."""
    held = next((s for s in status.steps if s.reason is StepReason.PRECONDITION_FAILED), None)
    if held is not None:
        reason = "PreconditionFailed" if held.phase is StepPhase.FAILED else "Waiting"
        message = f"step {held.name}: {held.message}"
        return [_condition("PreconditionsBlocked", _TRUE, reason, message)]
    was_held = any(each.type == "PreconditionsBlocked" for each in status.conditions)
    return [_condition("PreconditionsBlocked", _FALSE, "Released", "")] if was_held else []


def _postcondition_conditions(status: WorkflowStatus) -> list[Condition]:
    """Return which step did not have its effect; False once it is tried again."""
    failed = next((s for s in status.steps if s.error_type is ErrorType.POSTCONDITION_FAILED), None)
    if failed is not None:
        message = f"step {failed.name}: {failed.message}"
        return [_condition("PostconditionsFailed", _TRUE, "PostconditionFailed", message)]
    had_failed = any(each.type == "PostconditionsFailed" for each in status.conditions)
    return [_condition("PostconditionsFailed", _FALSE, "Retried", "")] if had_failed else []


def _safety_conditions(status: WorkflowStatus) -> list[Condition]:
    """Return which change the safety policies did not allow, on the way there or back."""
    undos = status.rollback.steps if status.rollback else []
    denied = [
        *(f"step {s.name}: {s.message}" for s in status.steps if s.reason == _DENIED),
        *(f"undo of {s.name}: {s.message}" for s in undos if s.reason == _DENIED),
    ]
    if denied:
        return [_condition("PolicyViolation", _TRUE, "SafetyPolicyDenied", denied[0])]
    was_denied = any(each.type == "PolicyViolation" for each in status.conditions)
    return [_condition("PolicyViolation", _FALSE, "Retried", "")] if was_denied else []


def _rollback_conditions(rollback: Rollback, phase: Phase, message: str) -> list[Condition]:
    how = summary(rollback, limit=_MAX_CONDITION)
    done = "UndoneToStep" if rollback.to else "AllUndone"
    match phase:
        case Phase.ROLLED_BACK:
            found = [
                _condition("RolledBack", _TRUE, "RollbackCompleted", message),
                _condition("RollbackCompleted", _TRUE, done, how),
            ]
        case Phase.ROLLBACK_FAILED:
            found = [
                _condition("RolledBack", _FALSE, "RollbackFailed", message),
                _condition("RollbackFailed", _TRUE, "UndoFailed", how),
            ]
        case Phase.DEGRADED:
            found = [_condition("Degraded", _TRUE, "ManualRollback", message)]
        case Phase.ROLLING_BACK:
            found = [_condition("Degraded", _FALSE, "RollingBack", "")]
        case Phase.EXECUTING:
            found = [_condition("Degraded", _FALSE, "Retried", "")]
        case _:
            found = []
    names = drifted(rollback)
    if names:
        left = f"somebody else changed what these steps had changed: {', '.join(names)}"
        found.append(_condition(DRIFTED, _TRUE, "TargetChanged", left[:_MAX_MESSAGE]))
    return found


def _decision_conditions(status: WorkflowStatus) -> list[Condition]:
    """Return which undo waits for a person to decide about drift; False once none does."""
    undos = status.rollback.steps if status.rollback else []
    asking = next((undo for undo in undos if undo.reason == UNDECIDED), None)
    if asking is not None:
        message = f"undo of {asking.name}: {asking.message}"
        return [_condition(UNDECIDED, _TRUE, "TargetChanged", message)]
    was_asking = any(each.type == UNDECIDED for each in status.conditions)
    return [_condition(UNDECIDED, _FALSE, "Decided", "")] if was_asking else []


def _truth(holds: bool) -> ConditionStatus:  # noqa: FBT001 - the statement is the argument
    return _TRUE if holds else _FALSE


def _condition(type_: str, status: ConditionStatus, reason: str, message: str) -> Condition:
    return Condition(type=type_, status=status, reason=reason, message=message)


def merged(
    old: list[Condition], new: list[Condition], *, now: datetime, generation: int
) -> list[Condition]:
    """Return old and new conditions; one whose status stays keeps its transition time."""
    known = {condition.type: condition for condition in old}
    result = dict(known)
    for condition in new:
        before = known.get(condition.type)
        same = before is not None and before.status == condition.status
        result[condition.type] = msgspec.structs.replace(
            condition,
            last_transition_time=before.last_transition_time if before and same else now,
            observed_generation=generation,
        )
    return list(result.values())
