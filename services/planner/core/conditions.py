"""Whether the conditions of a workflow can be evaluated, and its overrides mean something.

Whether a policy is there and parses is found out by who can ask for it; here it becomes a
defect of the field that holds it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from services.planner.core.defects import Defect, Reason, entry_path, step_path
from shared.api.workflow_spec import Step, StepCondition, WorkflowSpec
from shared.effects.catalogue import canonical
from shared.workflow import durations

LONGEST: Final = timedelta(hours=1)
Unusable = Mapping[tuple[str, str, str], str]
"""Why a policy cannot be used, by step, stage and type of condition."""
NONE_UNUSABLE: Final[Unusable] = MappingProxyType({})


def possible_steps(spec: WorkflowSpec) -> Iterator[Step]:
    """Yield all steps that a workflow has, or may come to have."""
    yield from spec.workflow_definition.steps
    adaptive = spec.adaptive_orchestration
    for adjustment in adaptive.adjustments if adaptive else ():
        yield from (insertion.step for insertion in adjustment.insert)


def condition_defects(step: Step, unusable: Unusable) -> Iterator[Defect]:
    """Yield what is wrong with the conditions of a step, before it and after it."""
    lists = {"preConditions": step.pre_conditions, "postConditions": step.post_conditions}
    for field, conditions in lists.items():
        stage = "precondition" if field == "preConditions" else "postcondition"
        counts = Counter(condition.type for condition in conditions)
        for condition in conditions:
            path = entry_path(step_path(step.name, field=field), condition.type)
            if counts[condition.type] > 1:
                message = f"{counts[condition.type]} conditions have this type; keep one"
                yield Defect(path=path, reason=Reason.DUPLICATE_CONDITION, message=message)
            yield from _timeout_defects(condition, path)
            why = unusable.get((step.name, stage, condition.type))
            if why is not None:
                yield Defect(path=f"{path}.rego", reason=Reason.INVALID_POLICY, message=why)


def override_defects(spec: WorkflowSpec) -> Iterator[Defect]:
    """Yield the overrides of conditions that no step of their action has."""
    taken: dict[str, str] = {}
    for name, overrides in spec.condition_overrides.items():
        action = canonical(name)
        steps = [
            step
            for step in possible_steps(spec)
            if action is not None and canonical(step.action) is action
        ]
        path = entry_path("spec.conditionOverrides", name)
        other = taken.setdefault(str(action or name), name)
        if other != name:
            message = f"this is {other} too, which is there already; keep one"
            yield Defect(path=path, reason=Reason.DUPLICATE_CONDITION, message=message)
        if not steps:
            message = f"no step has the action {name!r}; use the action of a step"
            yield Defect(path=path, reason=Reason.UNKNOWN_CONDITION, message=message)
            continue
        before = {condition.type for step in steps for condition in step.pre_conditions}
        after = {condition.type for step in steps for condition in step.post_conditions}
        yield from _unknown(f"{path}.preconditions", overrides.preconditions, before)
        yield from _unknown(f"{path}.postconditions", overrides.postconditions, after)


def _unknown(path: str, overridden: Mapping[str, object], known: set[str]) -> Iterator[Defect]:
    for condition in overridden:
        if condition not in known:
            there = ", ".join(sorted(known)) or "none"
            message = f"no step of this action has {condition!r}; there are: {there}"
            yield Defect(
                path=entry_path(path, condition),
                reason=Reason.UNKNOWN_CONDITION,
                message=message,
            )


def _timeout_defects(condition: StepCondition, path: str) -> Iterator[Defect]:
    if condition.timeout is None:
        return
    try:
        length = durations.parse(condition.timeout)
    except ValueError as error:
        message = str(error)
    else:
        if timedelta(0) < length <= LONGEST:
            return
        message = f"{condition.timeout} must be more than zero, and 1h at most"
    yield Defect(path=f"{path}.timeout", reason=Reason.INVALID_DURATION, message=message)
