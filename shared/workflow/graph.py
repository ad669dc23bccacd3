"""What a step needs, read from all ways of saying it.

`dependsOn` of the step, the `dependencies` map and its relation to a primary are merged; a
step may be named by its number as text. Unknown names are kept: validation reports them,
nobody guesses.
"""

from shared.api.enums import SecondaryMode
from shared.api.workflow_spec import Step, WorkflowDefinition


def dependencies(definition: WorkflowDefinition) -> dict[str, tuple[str, ...]]:
    """Return for each step the steps it needs, without repeats, in the order given.

    A step that runs if its primary fails needs that one too: to have failed.
    """
    numbers = {
        str(step.step_number or position): step.name
        for position, step in enumerate(definition.steps, start=1)
    }
    steps = {step.name: step for step in definition.steps}
    return {
        step.name: tuple(
            dict.fromkeys(
                need if need in steps else numbers.get(need, need)
                for need in (*_own_needs(step, definition), *_needs_of_primary(step, definition))
            )
        )
        for step in definition.steps
    }


def fallbacks(definition: WorkflowDefinition) -> dict[str, str]:
    """Return for each step that runs only if another one fails, that other one."""
    return {
        step.name: step.secondary.primary
        for step in definition.steps
        if step.secondary and step.secondary.mode is SecondaryMode.IF_PRIMARY_FAILS
    }


def step_numbers(definition: WorkflowDefinition) -> dict[str, int]:
    """Return the number of each step: its own, else its place in the list."""
    return {
        step.name: step.step_number or position
        for position, step in enumerate(definition.steps, start=1)
    }


def _own_needs(step: Step, definition: WorkflowDefinition) -> tuple[str, ...]:
    return (*step.depends_on, *definition.dependencies.get(step.name, ()))


def _needs_of_primary(step: Step, definition: WorkflowDefinition) -> tuple[str, ...]:
    if step.secondary is None:
        return ()
    if step.secondary.mode is not SecondaryMode.PARALLEL_WITH_PRIMARY:
        return (step.secondary.primary,)
    primary = next((s for s in definition.steps if s.name == step.secondary.primary), None)
    return _own_needs(primary, definition) if primary else (step.secondary.primary,)
