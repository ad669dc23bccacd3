"""What an operator overrides in a workflow by annotation, and on whose word.

The API server lets only some people set the annotation, and writes down who did
(deploy/admission). Without that name it counts for nothing.
"""

import msgspec

from shared.api.meta import (
    OVERRIDDEN_BY_ANNOTATION,
    OVERRIDE_ANNOTATION,
    Condition,
    ConditionStatus,
)
from shared.api.workflow import WorkflowExecution
from shared.workflow.definition import steps_of

OVERRIDDEN = "ConditionsOverridden"
_MAX_MESSAGE = 256
_TRUE, _FALSE = ConditionStatus.TRUE, ConditionStatus.FALSE


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """What the annotations say."""

    types: tuple[str, ...]
    """Types of conditions, in the order they are given."""
    by: str
    """Who last changed that; empty where nobody was written down."""

    @property
    def in_force(self) -> frozenset[str]:
        """Return the types that need not hold."""
        return frozenset(self.types) if self.by else frozenset()


def override_of(workflow: WorkflowExecution) -> Override:
    """Return what an operator overrides in a workflow."""
    annotations = workflow.metadata.annotations
    parts = (part.strip() for part in annotations.get(OVERRIDE_ANNOTATION, "").split(","))
    return Override(
        types=tuple(dict.fromkeys(filter(None, parts))),
        by=annotations.get(OVERRIDDEN_BY_ANNOTATION, "").strip(),
    )


def override_conditions(workflow: WorkflowExecution) -> list[Condition]:
    """Return who overrides what, and what of it means nothing; False once it is taken away."""
    override = override_of(workflow)
    if not override.types:
        was = any(each.type == OVERRIDDEN for each in workflow.status.conditions)
        by = override.by or "somebody"
        return [_condition(_FALSE, "Removed", f"taken away by {by}")] if was else []
    if not override.by:
        message = (
            f"{OVERRIDE_ANNOTATION} counts only together with {OVERRIDDEN_BY_ANNOTATION}, which"
            " the API server sets: apply deploy/admission"
        )
        return [_condition(_FALSE, "NotAttributed", message)]
    known = _types_of(workflow)
    unknown = [each for each in override.types if each not in known]
    nothing = f"no step has the condition {', '.join(unknown)}"
    if len(unknown) == len(override.types):
        there = ", ".join(sorted(known)) or "none"
        return [_condition(_FALSE, "UnknownCondition", f"{nothing}; there are: {there}")]
    named = ", ".join(each for each in override.types if each in known)
    message = f"{override.by}: {named} need not hold{f'; {nothing}' if unknown else ''}"
    return [_condition(_TRUE, "OverrideAnnotation", message)]


def _types_of(workflow: WorkflowExecution) -> set[str]:
    return {
        condition.type
        for step in steps_of(workflow).values()
        for condition in (*step.pre_conditions, *step.post_conditions)
    }


def _condition(status: ConditionStatus, reason: str, message: str) -> Condition:
    return Condition(type=OVERRIDDEN, status=status, reason=reason, message=message[:_MAX_MESSAGE])
