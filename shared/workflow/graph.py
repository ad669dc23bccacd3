"""What a step needs, read from both ways of saying it.

`dependsOn` of the step and the `dependencies` map are merged; a step may be named by its
number as text. Unknown names are kept: validation reports them, nobody guesses.
"""

from shared.api.workflow_spec import WorkflowDefinition


def dependencies(definition: WorkflowDefinition) -> dict[str, tuple[str, ...]]:
    """Return for each step the steps it needs, without repeats, in the order given."""
    numbers = {
        str(step.step_number or position): step.name
        for position, step in enumerate(definition.steps, start=1)
    }
    names = {step.name for step in definition.steps}
    return {
        step.name: tuple(
            dict.fromkeys(
                need if need in names else numbers.get(need, need)
                for need in (*step.depends_on, *definition.dependencies.get(step.name, ()))
            )
        )
        for step in definition.steps
    }


def step_numbers(definition: WorkflowDefinition) -> dict[str, int]:
    """Return the number of each step: its own, else its place in the list."""
    return {
        step.name: step.step_number or position
        for position, step in enumerate(definition.steps, start=1)
    }
