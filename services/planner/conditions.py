"""Finds out which policies of a workflow's conditions cannot be used, before any step runs."""

from typing import Final

from services.planner.core.conditions import Unusable, possible_steps
from shared.api.workflow import WorkflowExecution
from shared.worker.checks import Checker, Stage

_STAGES: Final[tuple[Stage, ...]] = ("precondition", "postcondition")


async def unusable_policies(checker: Checker | None, workflow: WorkflowExecution) -> Unusable:
    """Return why policies cannot be used, of all steps a workflow has or may come to have.

    Without a checker no condition counts, and none is looked at.

    Raises:
        TransientError: nobody can tell now.
    """
    if checker is None:
        return {}
    return {
        (step.name, stage, type_): why
        for step in possible_steps(workflow.spec)
        for stage in _STAGES
        for type_, why in (await checker.unusable(step, stage)).items()
    }
