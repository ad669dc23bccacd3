"""Whether a condition has to hold, after what the workflow and its operators override."""

from typing import Final

import msgspec

from shared.api.meta import OVERRIDE_ANNOTATION
from shared.api.results import ConditionResult
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Step, StepCondition
from shared.api.workflow_status import StepStatus
from shared.effects.catalogue import canonical
from shared.worker.context import Context
from shared.workflow.overriding import override_of

SPEC: Final = "spec.conditionOverrides"
_MAX_NAME: Final = 128


class Requirement(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a condition has to hold, and what says so if the condition itself does not."""

    is_required: bool
    overridden_by: str = ""


def requirement(
    workflow: WorkflowExecution, step: Step, condition: StepCondition, *, is_precondition: bool
) -> Requirement:
    """Return whether a condition of a step is required in this workflow.

    The annotation of an operator wins over `spec.conditionOverrides`, and that over the step.
    """
    override = override_of(workflow)
    if condition.type in override.in_force:
        who = f"{override.by[:_MAX_NAME]} (annotation {OVERRIDE_ANNOTATION})"
        return Requirement(is_required=False, overridden_by=who)
    action = canonical(step.action)
    for name, overrides in workflow.spec.condition_overrides.items():
        chosen = overrides.preconditions if is_precondition else overrides.postconditions
        found = chosen.get(condition.type)
        if canonical(name) is action and found is not None:
            return Requirement(is_required=found.required, overridden_by=SPEC)
    return Requirement(is_required=condition.required)


def announce_overrides(
    context: Context, before: WorkflowExecution, after: WorkflowExecution
) -> None:
    """Record an Event for each condition that a write was the first to take as overridden."""
    known = {step.name: step for step in before.status.steps}
    for step in after.status.steps:
        old = known.get(step.name)
        told = _overridden(old) if old is not None else {}
        for key, result in _overridden(step).items():
            if told.get(key) != result:
                _tell(context, after, step, *key, by=result)


def _overridden(step: StepStatus) -> dict[tuple[str, str], str]:
    """Return who says that conditions need not hold, by stage and type."""
    stages = {
        "precondition": step.pre_condition_results,
        "postcondition": step.post_condition_results,
    }
    return {
        (stage, result.condition_type): result.overridden_by
        for stage, results in stages.items()
        for result in results
        if _is_overridden(result)
    }


def _is_overridden(result: ConditionResult) -> bool:
    return bool(result.overridden_by) and not result.required


def _tell(
    context: Context,
    workflow: WorkflowExecution,
    step: StepStatus,
    stage: str,
    type_: str,
    *,
    by: str,
) -> None:
    message = f"step {step.name}: {stage} {type_} need not hold, by {by}"
    context.recorder.warning(workflow, reason="ConditionOverridden", message=message)
    context.log.warning("condition overridden", step=step.name, stage=stage, condition=type_, by=by)
