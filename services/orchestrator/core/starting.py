"""Whether a step whose dependencies are there starts now: expressions, gates, waits.

A pure function of the workflow; what it decides is written with the same compare-and-swap
as the tokens, so whoever reads it later comes to the same end.
"""

from datetime import datetime
from typing import Final

import msgspec

from shared.api.enums import ErrorType, StepPhase, StepReason
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Step
from shared.api.workflow_status import StepStatus
from shared.expressions.expression import ExpressionError, truth
from shared.expressions.resolving import resolved
from shared.expressions.scope import scope_of
from shared.workflow.definition import steps_of
from shared.workflow.readiness import State, standings

_MAX_MESSAGE: Final = 256
_DENIED: Final = {
    "Rejected": StepReason.APPROVAL_REJECTED,
    "Expired": StepReason.APPROVAL_EXPIRED,
}


def considered(
    workflow: WorkflowExecution, *, now: datetime
) -> tuple[dict[str, StepStatus], list[str]]:
    """Return all steps as they stand now, and those that may start, in plan order.

    Skips what is not needed or can never run, fails what cannot be told from its
    expressions, and blocks what waits for approval. What one decision frees is looked at
    in the same go.
    """
    steps = {step.name: step for step in workflow.status.steps}
    specs = steps_of(workflow)
    while True:
        changed = msgspec.structs.replace(
            workflow, status=msgspec.structs.replace(workflow.status, steps=list(steps.values()))
        )
        decided: dict[str, StepStatus] = {}
        ready: list[str] = []
        for name, standing in standings(changed).items():
            step = steps[name]
            if standing.state is State.LOST:
                decided[name] = _lost(step, standing.reason, standing.culprit)
            elif standing.state is State.RELEASED:
                after = _start(changed, specs[name], step, now=now)
                if after is None:
                    ready.append(name)
                elif after != step:
                    decided[name] = after
        if not decided:
            return steps, ready
        steps |= decided


def _start(
    workflow: WorkflowExecution, spec: Step, step: StepStatus, *, now: datetime
) -> StepStatus | None:
    """Return the step as it has to wait or end, or None when it may start."""
    if step.next_attempt_time is not None and step.next_attempt_time > now:
        return step
    if step.attempts:
        return None
    try:
        verdict = _unneeded(workflow, spec, step) or _gated(workflow, spec, step)
        if verdict is None:
            resolved(workflow, spec.parameters)
    except ExpressionError as error:
        return _failed(step, StepReason.INVALID_EXPRESSION, str(error), ErrorType.VALIDATION_ERROR)
    return verdict


def _unneeded(workflow: WorkflowExecution, spec: Step, step: StepStatus) -> StepStatus | None:
    for text, wanted, word in ((spec.run_if, True, "runIf"), (spec.skip_if, False, "skipIf")):
        if text is not None and truth(text, scope_of(workflow)) is not wanted:
            return _skipped(
                step, StepReason.CONDITION_FALSE, f"{word} is {str(not wanted).lower()}: {text}"
            )
    return None


def _gated(workflow: WorkflowExecution, spec: Step, step: StepStatus) -> StepStatus | None:
    if not spec.requires_approval:
        return None
    approval, plan = workflow.status.approval, workflow.status.execution_plan
    gate = approval.gates.get(spec.name) if approval else None
    if gate is None or plan is None or gate.digest != plan.digest or not gate.decision:
        asked = gate.request_ref if gate else None
        where = f": decide on AIApprovalRequest {asked.name}" if asked else ""
        return msgspec.structs.replace(
            step,
            phase=StepPhase.BLOCKED,
            reason=StepReason.AWAITING_APPROVAL,
            message=f"waits for approval{where}"[:_MAX_MESSAGE],
        )
    if gate.decision in _DENIED:
        by = f" by {gate.decided_by}" if gate.decided_by else ""
        said = f": {gate.message}" if gate.message else ""
        return _failed(
            step,
            _DENIED[gate.decision],
            f"approval {gate.decision.lower()}{by}{said}",
            ErrorType.POLICY_DENIED,
        )
    return None


def _lost(step: StepStatus, reason: StepReason | None, culprit: str) -> StepStatus:
    if reason is StepReason.PRIMARY_COMPLETED:
        return _skipped(step, reason, f"not needed: step {culprit} did not fail")
    return _skipped(
        step, StepReason.DEPENDENCY_FAILED, f"not started: step {culprit} did not complete"
    )


def _skipped(step: StepStatus, reason: StepReason, message: str) -> StepStatus:
    return msgspec.structs.replace(
        step, phase=StepPhase.SKIPPED, reason=reason, message=message[:_MAX_MESSAGE]
    )


def _failed(step: StepStatus, reason: StepReason, message: str, error: ErrorType) -> StepStatus:
    return msgspec.structs.replace(
        step,
        phase=StepPhase.FAILED,
        reason=reason,
        message=message[:_MAX_MESSAGE],
        error_type=error,
    )
