"""How far a workflow is: what is in flight, whether it is over, percentage and health.

Percent is completed steps plus failures that do no harm over the steps that are not skipped
(requirements C12). A failure does no harm where it is tolerated, or where the fallback of
the step completed.
"""

from typing import Final

from shared.api.enums import SETTLED_STEP_PHASES, Health, StepPhase, StepReason
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import StepStatus
from shared.expressions.due import due
from shared.workflow.definition import steps_of
from shared.workflow.readiness import State, after_fallbacks, lost_steps
from shared.workflow.stopping import critical_failure, stop_reason

_RUNNING: Final = frozenset({StepPhase.RUNNING, StepPhase.VERIFYING})


def in_flight(workflow: WorkflowExecution) -> list[StepStatus]:
    """Return the steps with an attempt that has not been judged, blocked ones included."""
    tokens = workflow.status.tokens
    return [
        step
        for step in workflow.status.steps
        if step.phase in _RUNNING
        or (
            step.name in tokens
            and step.phase not in SETTLED_STEP_PHASES
            and step.reason is not StepReason.RETRYING
        )
    ]


def is_over(workflow: WorkflowExecution) -> bool:
    """Return whether no step runs and none can start any more.

    An adjustment that is due may still add steps: it is decided first.
    """
    if in_flight(workflow):
        return False
    if stop_reason(workflow) is not None:
        return True
    if due(workflow):
        return False
    lost = lost_steps(workflow)
    steps = workflow.status.steps
    return all(step.phase in SETTLED_STEP_PHASES or step.name in lost for step in steps)


def failures(workflow: WorkflowExecution) -> list[StepStatus]:
    """Return the steps that failed, and those whose next attempt a stop has taken away."""
    stopped = stop_reason(workflow) is not None
    return [
        step
        for step in workflow.status.steps
        if step.phase is StepPhase.FAILED or (stopped and step.reason is StepReason.RETRYING)
    ]


def percent(workflow: WorkflowExecution) -> int:
    """Return how far the steps that are not skipped have come, 0 to 100."""
    lost = lost_steps(workflow)
    counted = [
        step
        for step in workflow.status.steps
        if step.phase is not StepPhase.SKIPPED and step.name not in lost
    ]
    done = [
        step
        for step in counted
        if step.phase is StepPhase.COMPLETED
        or (step.phase is StepPhase.FAILED and _is_harmless(workflow, step))
    ]
    return 100 * len(done) // len(counted) if counted else 100


def health(workflow: WorkflowExecution) -> Health:
    """Return the combined health of the steps (BR-EXECUTION-002).

    Unhealthy after a critical failure or when time is up; degraded after any other failure,
    a retry, and while a step is blocked. Waiting for a person's approval is no disturbance.
    """
    if critical_failure(workflow) is not None or workflow.status.timed_out_at is not None:
        return Health.UNHEALTHY
    disturbed = any(_is_disturbed(step) for step in workflow.status.steps)
    return Health.DEGRADED if disturbed else Health.HEALTHY


def _is_disturbed(step: StepStatus) -> bool:
    if step.phase is StepPhase.BLOCKED:
        return step.reason is not StepReason.AWAITING_APPROVAL
    again = step.retries_attempted > 0 or step.reason is StepReason.RETRYING
    return again or step.phase is StepPhase.FAILED


def _is_harmless(workflow: WorkflowExecution, failed: StepStatus) -> bool:
    tolerated = not steps_of(workflow)[failed.name].critical_step
    return tolerated or after_fallbacks(workflow, failed) is State.RELEASED
