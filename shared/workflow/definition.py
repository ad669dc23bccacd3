"""The definition in force: what was applied, with the adjustments that the plan contains.

Numbers are pinned before the first adjustment, since they are part of the names of
executions that exist already.
"""

from collections.abc import Mapping, Sequence

import msgspec

from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Adjustment, Step, WorkflowDefinition
from shared.workflow.graph import step_numbers


def definition_of(workflow: WorkflowExecution) -> WorkflowDefinition:
    """Return the definition that the plan of a workflow was made from."""
    definition = workflow.spec.workflow_definition
    plan = workflow.status.execution_plan
    adaptive = workflow.spec.adaptive_orchestration
    if plan is None or not plan.adjustments or adaptive is None:
        return definition
    known = {adjustment.name: adjustment for adjustment in adaptive.adjustments}
    for name in plan.adjustments:
        if name in known:
            definition = adjusted(definition, known[name])
    return definition


def steps_of(workflow: WorkflowExecution) -> dict[str, Step]:
    """Return the steps of the definition in force, by name."""
    return {step.name: step for step in definition_of(workflow).steps}


def adjusted(definition: WorkflowDefinition, adjustment: Adjustment) -> WorkflowDefinition:
    """Return the definition with steps taken out and put in; total, whatever is asked for."""
    numbers = step_numbers(definition)
    removed = _spellings(adjustment.remove, numbers)
    kept = [
        _without(msgspec.structs.replace(step, step_number=numbers[step.name]), removed)
        for step in definition.steps
        if step.name not in adjustment.remove
    ]
    later: dict[str, list[str]] = {}
    highest = max(numbers.values(), default=0)
    added = []
    for place, insertion in enumerate(adjustment.insert, start=1):
        added.append(msgspec.structs.replace(insertion.step, step_number=highest + place))
        for name in insertion.before:
            later.setdefault(name, []).append(insertion.step.name)
    needs = {
        name: [need for need in needed if need not in removed]
        for name, needed in definition.dependencies.items()
        if name not in adjustment.remove
    }
    return msgspec.structs.replace(
        definition,
        steps=[_waiting(step, later) for step in (*kept, *added)],
        dependencies=needs,
    )


def _spellings(names: Sequence[str], numbers: Mapping[str, int]) -> set[str]:
    """Return all that others may call these steps: the name, and the number if it is no name."""
    by_number = {str(numbers[name]) for name in names if name in numbers}
    return {*names, *(by_number - numbers.keys())}


def _without(step: Step, removed: set[str]) -> Step:
    needs = [need for need in step.depends_on if need not in removed]
    return msgspec.structs.replace(step, depends_on=needs)


def _waiting(step: Step, later: Mapping[str, list[str]]) -> Step:
    more = [name for name in later.get(step.name, []) if name not in step.depends_on]
    return msgspec.structs.replace(step, depends_on=[*step.depends_on, *more]) if more else step
