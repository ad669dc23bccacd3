"""Why nothing new may start in a workflow, and whether what runs is ended too."""

from typing import Final

from shared.api.enums import Control, OnInFlight, StepPhase, StepReason
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import StepStatus
from shared.workflow.definition import definition_of
from shared.workflow.readiness import is_handled

_DENIED: Final = {
    "Rejected": StepReason.APPROVAL_REJECTED,
    "Expired": StepReason.APPROVAL_EXPIRED,
}


def critical_failure(workflow: WorkflowExecution) -> StepStatus | None:
    """Return the failed step, neither tolerated nor handled, that ends the workflow.

    That is the one written down; before that, the first in plan order.
    """
    failed = {step.name: step for step in workflow.status.steps if step.phase is StepPhase.FAILED}
    if not failed:
        return None
    tolerated = {step.name for step in definition_of(workflow).steps if not step.critical_step}
    plan = workflow.status.execution_plan
    order = (workflow.status.failed_step, *(plan.order if plan else failed))
    for step in (failed[name] for name in order if name in failed):
        if step.name not in tolerated and not is_handled(workflow, step):
            return step
    return None


def stop_reason(workflow: WorkflowExecution) -> StepReason | None:
    """Return why no step may start any more, or None while the workflow goes forward."""
    status = workflow.status
    if status.control is not None and status.control.stop is not None:
        return StepReason.CANCELLED
    if status.timed_out_at is not None:
        return StepReason.TIMED_OUT
    if status.approval is not None and status.approval.decision in _DENIED:
        return _DENIED[status.approval.decision]
    return StepReason.WORKFLOW_FAILED if critical_failure(workflow) is not None else None


def may_start(workflow: WorkflowExecution) -> bool:
    """Return whether steps may start now: nothing stops, holds or gates the workflow."""
    status = workflow.status
    if status.control is not None and status.control.paused:
        return False
    if status.approval is not None and status.approval.required and not status.approval.decision:
        return False
    return stop_reason(workflow) is None


def is_cancelled(workflow: WorkflowExecution) -> bool:
    """Return whether a person ended the workflow, and nothing is to be undone."""
    control = workflow.status.control
    return control is not None and control.stop is Control.CANCEL


def cancels_in_flight(workflow: WorkflowExecution) -> bool:
    """Return whether steps in flight are to be ended rather than waited for."""
    wanted = workflow.spec.execution_strategy.on_in_flight is OnInFlight.CANCEL
    return wanted and stop_reason(workflow) is not None
