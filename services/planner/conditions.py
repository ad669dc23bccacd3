"""Finds out which policies of a workflow's conditions cannot be used, before any step runs."""

from collections.abc import Iterator

from services.planner.core.conditions import Unusable
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Step
from shared.worker.checks import Checker, Stage

_STAGES: tuple[Stage, ...] = ("precondition", "postcondition")


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
        for step in _steps(workflow)
        for stage in _STAGES
        for type_, why in (await checker.unusable(step, stage)).items()
    }


def _steps(workflow: WorkflowExecution) -> Iterator[Step]:
    yield from workflow.spec.workflow_definition.steps
    adaptive = workflow.spec.adaptive_orchestration
    for adjustment in adaptive.adjustments if adaptive else ():
        yield from (insertion.step for insertion in adjustment.insert)
