"""What `kubectl wait` waits for, as the steps make it."""

import msgspec

from shared.api.enums import StepPhase, StepReason
from shared.api.meta import Condition
from shared.api.parameters import Parameters, RestartDeployment
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Step
from shared.workflow.phases import derive
from tests.support.builders import NOW, make_workflow, planned, scale_step

PLANNED = "Planned"


def _with(workflow: WorkflowExecution, name: str, **change: object) -> WorkflowExecution:
    steps = [
        msgspec.structs.replace(step, **change) if step.name == name else step
        for step in workflow.status.steps
    ]
    status = derive(workflow, msgspec.structs.replace(workflow.status, steps=steps), now=NOW)
    return msgspec.structs.replace(workflow, status=status)


def _blocked(workflow: WorkflowExecution) -> Condition | None:
    return next((each for each in workflow.status.conditions if each.type == "Blocked"), None)


def test_a_workflow_says_for_whom_each_of_its_steps_waits() -> None:
    workflow = planned(make_workflow([scale_step("a"), scale_step("b")]))
    gated = _with(
        workflow,
        "a",
        phase=StepPhase.BLOCKED,
        reason=StepReason.AWAITING_APPROVAL,
        message="waits for approval",
    )
    both = _with(
        gated,
        "b",
        phase=StepPhase.BLOCKED,
        reason=StepReason.TARGET_LOCKED,
        message="Deployment default/web is held by workflow default/first, step one",
    )

    told = _blocked(both)

    assert told is not None
    assert (told.status, told.reason) == ("True", "AwaitingApproval")
    assert told.message == (
        "step a: waits for approval; "
        "step b: Deployment default/web is held by workflow default/first, step one"
    )


def test_what_was_blocked_says_that_it_is_not_any_more() -> None:
    workflow = planned(make_workflow([scale_step("a")]))
    blocked = _with(workflow, "a", phase=StepPhase.BLOCKED, reason=StepReason.TARGET_LOCKED)
    released = _with(blocked, "a", phase=StepPhase.RUNNING, reason=None)
    told = _blocked(released)

    assert _blocked(_with(workflow, "a", phase=StepPhase.RUNNING)) is None
    assert told is not None
    assert (told.status, told.reason) == ("False", "Released")


def test_row_69_a_plan_says_beforehand_what_cannot_be_undone() -> None:
    restart = Parameters(restart_deployment=RestartDeployment(deployment="web"))
    steps = [
        scale_step("a"),
        Step(name="restart-web", action="restart_deployment", parameters=restart),
        Step(name="bounce", action="RestartDeployment", parameters=restart),
    ]

    told = {
        which: next(each for each in _with(workflow, "a").status.conditions if each.type == PLANNED)
        for which, workflow in {
            "some": planned(make_workflow(steps)),
            "none": planned(make_workflow(steps[:1])),
        }.items()
    }

    assert told["some"].message == "cannot be undone: restart-web, bounce"
    assert told["none"].message == ""
