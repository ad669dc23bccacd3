"""A workflow as the demo shows it: glyphs, states and times from objects alone."""

from datetime import timedelta

import msgspec
import pytest
from rich.console import Console

from cli.demo.tree import Line, changed, describe, lines_of, to_tree
from shared.api.enums import (
    ExecutionKind,
    ExecutionPhase,
    Phase,
    RollbackPhase,
    RollbackStepPhase,
    RollbackType,
    StepPhase,
)
from shared.api.parameters import (
    NotifyOnly,
    Parameters,
    RestartDeployment,
    ScaleDeployment,
    TargetResource,
    UpdateImage,
    WaitForCondition,
)
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import Rollback, RollbackStep
from tests.support.builders import NOW, diamond, execution_of, make_workflow, planned, with_steps


def by_name(lines: list[Line]) -> dict[str, Line]:
    return {line.name: line for line in lines}


def with_status(workflow: WorkflowExecution, **changes: object) -> WorkflowExecution:
    status = msgspec.structs.replace(workflow.status, **changes)
    return msgspec.structs.replace(workflow, status=status)


def going_back(phase: RollbackStepPhase) -> WorkflowExecution:
    undo = RollbackStep(name="a", phase=phase, reason="ActionSucceeded")
    rollback = Rollback(phase=RollbackPhase.RUNNING, strategy=RollbackType.AUTOMATIC, steps=[undo])
    workflow = with_steps(planned(make_workflow(diamond())), {"a": StepPhase.COMPLETED})
    return with_status(workflow, phase=Phase.ROLLING_BACK, rollback=rollback)


def test_a_workflow_is_followed_by_its_steps_in_the_order_of_the_definition() -> None:
    lines = lines_of(planned(make_workflow(diamond())), [], now=NOW)

    assert [(line.depth, line.name) for line in lines] == [
        (0, "fix"),
        (1, "a"),
        (1, "b"),
        (1, "c"),
        (1, "d"),
    ]
    assert len({line.key for line in lines}) == 5


def test_a_workflow_that_nobody_planned_yet_shows_what_is_to_come() -> None:
    lines = by_name(lines_of(make_workflow(diamond()), [], now=NOW))

    assert lines["fix"].seconds is None
    assert lines["d"].state == "Pending"
    assert lines["d"].note == "after b, c"


def test_a_claimed_step_runs_before_its_status_says_so() -> None:
    workflow = with_steps(planned(make_workflow(diamond())), {"a": StepPhase.QUEUED})
    execution = execution_of(workflow, "a", phase=ExecutionPhase.RUNNING, claimed=True)

    line = by_name(lines_of(workflow, [execution], now=NOW + timedelta(seconds=2)))["a"]

    assert (line.state, line.seconds) == ("Running", 2.0)


@pytest.mark.parametrize("foreign", [True, False], ids=["another workflow's", "an unclaimed one"])
def test_an_execution_that_says_nothing_about_a_step_is_ignored(foreign: bool) -> None:
    workflow = with_steps(planned(make_workflow(diamond())), {"a": StepPhase.QUEUED})
    execution = execution_of(workflow, "a", claimed=foreign)
    if foreign:
        meta = msgspec.structs.replace(workflow.metadata, uid="another")
        workflow = msgspec.structs.replace(workflow, metadata=meta)

    line = by_name(lines_of(workflow, [execution], now=NOW))["a"]

    assert line.state == "Queued"


def test_a_settled_step_shows_how_long_it_took_and_not_how_long_ago() -> None:
    workflow = with_steps(planned(make_workflow(diamond())), {"a": StepPhase.COMPLETED})
    first, *others = workflow.status.steps
    end = NOW + timedelta(seconds=1.5)
    done = msgspec.structs.replace(first, start_time=NOW, completion_time=end)
    workflow = with_status(workflow, steps=[done, *others])

    line = by_name(lines_of(workflow, [], now=NOW + timedelta(hours=1)))["a"]

    assert (line.glyph, line.seconds) == ("✔", 1.5)


def test_a_failed_step_says_why_and_how_often_it_was_tried() -> None:
    workflow = with_steps(planned(make_workflow(diamond())), {"a": StepPhase.FAILED})
    first, *others = workflow.status.steps
    failed = msgspec.structs.replace(first, attempts=3, message="no such container")
    workflow = with_status(workflow, steps=[failed, *others])

    line = by_name(lines_of(workflow, [], now=NOW))["a"]

    assert (line.glyph, line.note) == ("✘", "attempt 3, no such container")


def test_the_way_back_follows_the_steps_with_what_each_undo_does() -> None:
    workflow = going_back(RollbackStepPhase.RUNNING)
    undo = execution_of(workflow, "a", kind=ExecutionKind.ROLLBACK, claimed=True)

    line = lines_of(workflow, [undo], now=NOW + timedelta(seconds=1))[-1]

    assert (line.name, line.state, line.what) == ("undo a", "Running", "scale a to 3")
    assert line.seconds == 1.0


def test_an_undo_without_an_execution_yet_is_shown_too() -> None:
    line = lines_of(going_back(RollbackStepPhase.PENDING), [], now=NOW)[-1]

    assert (line.name, line.state, line.what, line.seconds) == ("undo a", "Pending", "", None)


def test_an_undo_that_did_not_happen_says_why_and_a_done_one_needs_no_reason() -> None:
    skipped = lines_of(going_back(RollbackStepPhase.SKIPPED), [], now=NOW)[-1]
    done = lines_of(going_back(RollbackStepPhase.COMPLETED), [], now=NOW)[-1]

    assert (skipped.glyph, skipped.note) == ("⊘", "ActionSucceeded")
    assert (done.glyph, done.note) == ("↩", "")


@pytest.mark.parametrize("phase", list(StepPhase))
def test_every_state_of_a_step_has_a_sign(phase: StepPhase) -> None:
    workflow = with_steps(planned(make_workflow(diamond())), {"a": phase})

    line = by_name(lines_of(workflow, [], now=NOW))["a"]

    assert line.state == phase
    assert line.glyph


@pytest.mark.parametrize("phase", list(RollbackStepPhase))
def test_every_state_of_an_undo_has_a_sign(phase: RollbackStepPhase) -> None:
    assert lines_of(going_back(phase), [], now=NOW)[-1].glyph


def test_passing_time_is_no_news() -> None:
    workflow = with_steps(planned(make_workflow(diamond())), {"a": StepPhase.RUNNING})
    before = lines_of(workflow, [], now=NOW)
    after = lines_of(workflow, [], now=NOW + timedelta(seconds=1))

    assert [line.name for line in changed([], before)] == ["fix", "a"]
    assert changed(before, after) == []


def test_the_end_of_a_workflow_is_told_after_its_last_step() -> None:
    running = with_steps(planned(make_workflow(diamond())), {"d": StepPhase.RUNNING})
    ended = with_steps(running, {"d": StepPhase.COMPLETED})
    ended = with_status(ended, phase=Phase.COMPLETED)

    news = changed(lines_of(running, [], now=NOW), lines_of(ended, [], now=NOW))

    assert [(line.name, line.state) for line in news] == [("d", "Completed"), ("fix", "Completed")]


def test_a_tree_shows_every_line_with_its_parts() -> None:
    workflow = with_steps(planned(make_workflow(diamond())), {"a": StepPhase.COMPLETED})
    console = Console(width=120)

    with console.capture() as shown:
        console.print(to_tree(lines_of(workflow, [], now=NOW)))

    root, first, *_, last = [line.split() for line in shown.get().splitlines()]
    assert root == ["◐", "fix", "Executing", "0.0", "s", "0", "%"]
    assert first == ["├──", "✔", "a", "Completed", "scale", "a", "to", "3"]
    assert last[:4] == ["└──", "·", "d", "Pending"]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (
            Parameters(scale_deployment=ScaleDeployment(deployment="web", replicas=0)),
            "scale web to 0",
        ),
        (Parameters(restart_deployment=RestartDeployment(deployment="web")), "restart web"),
        (
            Parameters(
                update_image=UpdateImage(deployment="web", container="app", new_image="r.io/x/y:2")
            ),
            "set image of web/app to y:2",
        ),
        (
            Parameters(
                wait_for_condition=WaitForCondition(
                    target_resource=TargetResource(kind="Job", name="sum"), condition="Complete"
                )
            ),
            "wait until sum is Complete",
        ),
        (Parameters(notify_only=NotifyOnly(message="hello")), "say 'hello'"),
        (Parameters(), ""),
    ],
    ids=["scale", "restart", "image", "wait", "notify", "nothing"],
)
def test_what_a_step_does_fits_in_a_few_words(parameters: Parameters, words: str) -> None:
    assert describe(parameters) == words
