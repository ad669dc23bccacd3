"""How far back a person wants a workflow rolled back, and whether it can stop there."""

from typing import Final

from services.orchestrator.core.refusal import Refusal
from shared.api.enums import Control, StepPhase
from shared.api.workflow import WorkflowExecution

_MAX_MESSAGE: Final = 256


def wanted_target(workflow: WorkflowExecution) -> str:
    """Return the step that the rollback asked for is to stop at; empty for none."""
    spec = workflow.spec
    return spec.rollback_to or "" if spec.control is Control.ROLLBACK else ""


def unreachable(workflow: WorkflowExecution) -> Refusal | None:
    """Return why a rollback cannot stop where `spec.rollbackTo` says, or None if it can."""
    target = wanted_target(workflow)
    if not target:
        return None
    phases = {step.name: step.phase for step in workflow.status.steps}
    if phases and target not in phases:
        there = ", ".join(phases)
        return _refusal("UnknownStep", f"{target} is no step of this workflow; there are: {there}")
    phase = phases.get(target, StepPhase.PENDING)
    if phase is StepPhase.COMPLETED:
        return None
    done = ", ".join(name for name, each in phases.items() if each is StepPhase.COMPLETED)
    why = f"step {target} is {phase}, not Completed; completed are: {done or 'none yet'}"
    return _refusal("StepNotCompleted", why)


def _refusal(reason: str, why: str) -> Refusal:
    return Refusal(reason, f"spec.rollbackTo: {why}"[:_MAX_MESSAGE])
