"""Which Deployments have replicas that conditions compare with those at the time of planning."""

from services.planner.core.conditions import possible_steps
from shared.api.enums import Action
from shared.api.workflow_spec import Step, WorkflowSpec
from shared.effects.catalogue import canonical


def to_be_noted(spec: WorkflowSpec) -> list[str]:
    """Return the Deployments that steps with preconditions scale, or may come to scale.

    A step that says itself what it expects needs no note; of a name that is an expression
    nobody knows yet what it will be.
    """
    names = {_scaled(step) for step in possible_steps(spec) if step.pre_conditions}
    return sorted(name for name in names if name and "${" not in name)


def _scaled(step: Step) -> str:
    asked = step.parameters.scale_deployment
    if canonical(step.action) is not Action.SCALE_DEPLOYMENT or asked is None:
        return ""
    return asked.deployment if asked.expected_replicas is None else ""
