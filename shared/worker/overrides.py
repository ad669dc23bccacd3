"""Whether a condition has to hold, after what the workflow and its operators override."""

from typing import Final

import msgspec

from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Step, StepCondition
from shared.effects.catalogue import canonical

ANNOTATION: Final = "kubernaut.io/override-condition"
"""Types of conditions, with commas between them; admission lets only some people set it."""


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
    if condition.type in overridden_types(workflow):
        return Requirement(is_required=False, overridden_by=f"annotation {ANNOTATION}")
    action = canonical(step.action)
    for name, overrides in workflow.spec.condition_overrides.items():
        chosen = overrides.preconditions if is_precondition else overrides.postconditions
        override = chosen.get(condition.type)
        if canonical(name) is action and override is not None:
            return Requirement(
                is_required=override.required, overridden_by="spec.conditionOverrides"
            )
    return Requirement(is_required=condition.required)


def overridden_types(workflow: WorkflowExecution) -> frozenset[str]:
    """Return the types of conditions that an operator overrides by annotation."""
    text = workflow.metadata.annotations.get(ANNOTATION, "")
    return frozenset(filter(None, (part.strip() for part in text.split(","))))
