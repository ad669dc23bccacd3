"""Reason and message of a phase, for people: what happened, and what they can do."""

from shared.api.enums import Phase, RollbackPhase, StepPhase, StepReason
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import WorkflowStatus
from shared.workflow.stopping import critical_failure, stop_reason
from shared.workflow.undone import summary

_MAX_MESSAGE = 256
_SHORTEST_CAUSE = 96
"""Of a cause that has to make room for how the way back went."""


def explain(workflow: WorkflowExecution, phase: Phase) -> tuple[str, str]:
    """Return the CamelCase reason and the sentence that go with a phase."""
    status = workflow.status
    if status.validation_results and status.validation_results.validation_errors:
        return _defects(status.validation_results.validation_errors)
    if phase is Phase.AWAITING_APPROVAL:
        return "ApprovalRequired", _approval_message(status)[:_MAX_MESSAGE]
    if phase is Phase.PAUSED:
        return "Paused", _paused_message(workflow)
    if phase is Phase.CANCELLED:
        return "Cancelled", f"{_progress(status)} when it was cancelled"
    stopped = stop_reason(workflow)
    if stopped is None:
        return str(phase), ""
    reason, cause = _cause(workflow, stopped)
    return reason, _with_rollback(status, cause)[:_MAX_MESSAGE]


def _defects(errors: list[str]) -> tuple[str, str]:
    first, *others = errors
    more = f" (and {len(others)} more in status.validationResults)" if others else ""
    reason = first.split(": ")[1] if first.count(": ") > 1 else "ValidationFailed"
    return reason, f"{first[: _MAX_MESSAGE - len(more)]}{more}"


def _approval_message(status: WorkflowStatus) -> str:
    approval = status.approval
    if approval is None:
        return ""
    waiting = {
        name: gate
        for name, gate in approval.gates.items()
        if not gate.decision and any(s.name == name for s in status.steps)
    }
    if approval.required and not approval.decision:
        asked, reason, obstacle = approval.request_ref, approval.reason, approval.message
    elif waiting:
        name, gate = next(iter(waiting.items()))
        reason = gate.reason or f"step {name} needs approval"
        asked, obstacle = gate.request_ref, gate.message
    else:
        return "a step needs approval"
    if obstacle:
        return f"{reason}; {obstacle}"
    return f"{reason}; decide on AIApprovalRequest {asked.name}" if asked else reason


def _paused_message(workflow: WorkflowExecution) -> str:
    stopped = stop_reason(workflow)
    if stopped is None:
        return "nothing new starts; set spec.control to resume"
    _, cause = _cause(workflow, stopped)
    advice = "; set spec.control to resume to act on it"
    return f"{cause[: _MAX_MESSAGE - len(advice)]}{advice}"


def _cause(workflow: WorkflowExecution, stopped: StepReason) -> tuple[str, str]:
    status = workflow.status
    match stopped:
        case StepReason.CANCELLED:
            return "RollbackRequested", f"{_progress(status)} when the rollback was asked for"
        case StepReason.TIMED_OUT:
            return "TimedOut", f"time was up with {_progress(status)}"
        case StepReason.APPROVAL_REJECTED | StepReason.APPROVAL_EXPIRED if status.approval:
            approval = status.approval
            by = f" by {approval.decided_by}" if approval.decided_by else ""
            said = approval.message or approval.reason
            return str(stopped), f"{approval.decision.lower()}{by}: {said}"
        case _:
            failed = critical_failure(workflow)
            if failed is None:
                return str(stopped), ""
            return "StepFailed", f"step {failed.name} failed: {failed.message or failed.error_type}"


def _progress(status: WorkflowStatus) -> str:
    done = sum(step.phase is StepPhase.COMPLETED for step in status.steps)
    return f"{done} of {len(status.steps)} steps were completed"


def _with_rollback(status: WorkflowStatus, cause: str) -> str:
    rollback = status.rollback
    if rollback is None or rollback.phase is RollbackPhase.NOT_REQUESTED:
        return cause
    if rollback.phase is RollbackPhase.AWAITING_TRIGGER:
        return (
            f"{cause}; set spec.control to rollback to undo the completed steps, or to retry "
            "to go on from the failed one"
        )
    kept = min(len(cause), _SHORTEST_CAUSE)
    how = summary(rollback, limit=_MAX_MESSAGE - kept - 2)
    return f"{cause[: _MAX_MESSAGE - len(how) - 2]}; {how}"
