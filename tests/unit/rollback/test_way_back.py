"""In which order steps are undone, under which tokens, and what needs no undo."""

from datetime import timedelta

import msgspec
import pytest

from services.rollback.core import trigger
from services.rollback.core.reverse import undo_order
from shared.api.enums import (
    Control,
    ErrorType,
    ExecutionMode,
    Phase,
    RollbackStepPhase,
    RollbackType,
    SecondaryMode,
    StepPhase,
)
from shared.api.parameters import Parameters, RestartDeployment
from shared.api.workflow_spec import ExecutionStrategy, Secondary, Step
from tests.support.builders import NOW, by_name, notify_step, scale_step, with_steps
from tests.support.undoing import (
    INVERSE,
    Way,
    at,
    failed_after,
    failed_diamond,
    forward,
    rollback_of,
    running,
    undo_step,
)

RESTART = Step(
    name="bounce",
    action="restart_deployment",
    parameters=Parameters(restart_deployment=RestartDeployment(deployment="x")),
)


def denied(step: str, attempt: int) -> ErrorType | None:
    del attempt
    return ErrorType.PERMISSION_DENIED if step == "b" else None


def test_completed_steps_are_undone_newest_first() -> None:
    way = Way(failed_diamond()).go()

    assert way.undone == ["c", "b", "a"]
    assert way.workflow.status.phase is Phase.ROLLED_BACK
    assert rollback_of(way.workflow).failures == 0


def test_what_completed_last_is_undone_first_wherever_it_stands_in_the_plan() -> None:
    steps = [scale_step("a"), scale_step("b", needs=["a"]), scale_step("x")]

    # Steps of `failed_after` complete in the order of the list.
    assert Way(failed_after(*steps)).go().undone == ["x", "b", "a"]


def test_a_step_that_failed_its_postconditions_is_undone_first() -> None:
    workflow = failed_diamond()
    steps = [
        msgspec.structs.replace(step, error_type=ErrorType.POSTCONDITION_FAILED)
        if step.phase is StepPhase.FAILED
        else step
        for step in workflow.status.steps
    ]
    status = msgspec.structs.replace(workflow.status, steps=steps)

    order = [step.name for step in undo_order(msgspec.structs.replace(workflow, status=status), {})]

    assert order == ["d", "c", "b", "a"]


def test_row_66_a_failed_undo_does_not_stop_the_others() -> None:
    way = Way(failed_diamond(), outcome=denied).go()

    assert way.undone == ["c", "b", "a"]
    assert way.workflow.status.phase is Phase.ROLLBACK_FAILED
    assert rollback_of(way.workflow).failures == 1
    assert "1 undo failed: b" in way.workflow.status.message


def test_row_66_conditions_say_how_many_and_which() -> None:
    way = Way(failed_diamond(), outcome=denied).go()

    conditions = {each.type: each for each in way.workflow.status.conditions}
    assert conditions["RollbackFailed"].status == "True"
    assert conditions["RollbackFailed"].message == "2 of 3 steps undone; 1 undo failed: b"
    assert conditions["RolledBack"].status == "False"
    assert "RollbackCompleted" not in conditions


def test_a_completed_way_back_has_its_condition() -> None:
    way = Way(failed_diamond()).go()

    conditions = {each.type: each for each in way.workflow.status.conditions}
    assert conditions["RollbackCompleted"].message == "3 of 3 steps undone"
    assert conditions["RolledBack"].status == "True"
    assert not {"RollbackFailed", "RollbackSkippedDrift"} & conditions.keys()


def test_the_way_back_waits_until_nothing_runs_forward() -> None:
    workflow = with_steps(failed_diamond(), {"c": StepPhase.RUNNING})

    assert not trigger.may_move(workflow)
    assert trigger.decide(workflow, {}, now=NOW) is None


def test_the_token_of_an_undo_is_saved_before_its_execution_is_wanted() -> None:
    workflow = failed_diamond()
    executions = by_name(*forward(workflow))
    begun = trigger.decide(workflow, executions, now=NOW)
    assert begun is not None
    workflow = at(workflow, begun)
    assert trigger.wanted_execution(workflow, executions) is None

    granted = trigger.decide(workflow, executions, now=NOW)

    assert granted is not None
    workflow = at(workflow, granted)
    wanted = trigger.wanted_execution(workflow, executions)
    step = undo_step(workflow, "c")
    assert step.phase is RollbackStepPhase.RUNNING
    assert step.start_time == NOW
    assert wanted is not None
    assert (wanted.spec.step_name, wanted.spec.fence) == ("c", step.fence)
    assert wanted.metadata.name.endswith("-rb")
    assert wanted.metadata.labels["rollback"] == "true"
    assert wanted.spec.parameters == INVERSE.rollback_parameters
    assert wanted.spec.rollback_of is not None
    assert wanted.spec.rollback_of.before == INVERSE.before


def test_row_68_asking_again_while_an_undo_runs_changes_nothing() -> None:
    workflow = failed_diamond()
    executions = forward(workflow)
    workflow = running(workflow, executions)
    spec = msgspec.structs.replace(workflow.spec, control=Control.ROLLBACK)
    asked = msgspec.structs.replace(workflow, spec=spec)

    for later in (workflow, asked):
        now = NOW + timedelta(minutes=1)
        assert trigger.decide(later, by_name(*executions), now=now) is None


def test_fences_of_undos_are_above_all_earlier_ones() -> None:
    workflow = failed_diamond()
    workflow = msgspec.structs.replace(
        workflow, status=msgspec.structs.replace(workflow.status, last_fence=7)
    )

    way = Way(workflow).go()

    assert [step.fence for step in rollback_of(way.workflow).steps] == [8, 9, 10]


def test_what_changed_nothing_needs_no_undo() -> None:
    way = Way(failed_after(notify_step("a")), executions=[]).go()

    step = undo_step(way.workflow, "a")
    assert way.created == []
    assert way.workflow.status.phase is Phase.ROLLED_BACK
    assert (step.phase, step.reason) == (RollbackStepPhase.SKIPPED, "NothingToUndo")


def test_row_69_irreversible_steps_are_reported_and_fail_nothing() -> None:
    way = Way(failed_after(scale_step("a"), RESTART)).go()

    step = undo_step(way.workflow, "bounce")
    assert way.undone == ["a"]
    assert way.workflow.status.phase is Phase.ROLLED_BACK
    assert (step.phase, step.reason) == (RollbackStepPhase.SKIPPED, "Irreversible")
    assert step.message.startswith("skipped: irreversible")
    assert "skipped: irreversible: bounce" in way.workflow.status.message


def test_an_undo_without_its_captured_state_fails_and_says_so() -> None:
    for executions in ([], forward(failed_after(scale_step("a")), captured=None)):
        way = Way(failed_after(scale_step("a")), executions=executions).go()

        assert way.workflow.status.phase is Phase.ROLLBACK_FAILED
        assert undo_step(way.workflow, "a").reason == "UndoDataMissing"


def test_strategies_are_noted() -> None:
    for strategy in RollbackType:
        way = Way(failed_diamond(strategy)).go()
        assert rollback_of(way.workflow).strategy is strategy


@pytest.mark.parametrize(
    ("mode", "lost", "order"),
    [
        (ExecutionMode.SEQUENTIAL, "", ["c", "b", "a"]),
        (ExecutionMode.SEQUENTIAL, "b", ["a", "b", "c"]),
        (ExecutionMode.PARALLEL, "", ["a", "b", "c"]),
    ],
)
def test_where_one_step_ran_at_a_time_its_tokens_tell_the_order_and_not_the_clocks(
    mode: ExecutionMode, lost: str, order: list[str]
) -> None:
    # Steps of `failed_after` complete in the order of the list; they were granted in another.
    workflow = failed_after(*(scale_step(name) for name in "cba"))
    spec = msgspec.structs.replace(workflow.spec, execution_strategy=ExecutionStrategy(mode=mode))
    workflow = msgspec.structs.replace(workflow, spec=spec)
    executions = [
        msgspec.structs.replace(
            execution, spec=msgspec.structs.replace(execution.spec, fence=fence)
        )
        for fence, execution in enumerate(reversed(forward(workflow)), start=1)
        if execution.spec.step_name != lost
    ]

    assert [step.name for step in undo_order(workflow, by_name(*executions))] == order


def test_what_ran_since_a_fallback_stood_in_is_undone_before_it_whatever_the_clocks_say() -> None:
    relation = Secondary(primary="p", mode=SecondaryMode.IF_PRIMARY_FAILS)
    chained = Secondary(primary="f", mode=SecondaryMode.IF_PRIMARY_FAILS)
    steps = [
        scale_step("p"),
        scale_step("x", needs=["p"]),
        scale_step("y", needs=["x"]),
        msgspec.structs.replace(scale_step("f"), secondary=relation),
        msgspec.structs.replace(scale_step("g"), secondary=chained),
    ]
    workflow = with_steps(failed_after(*steps), {"p": StepPhase.FAILED, "f": StepPhase.FAILED})

    # The steps complete in the order of the list: by its clock, g did so after x and y.
    assert [step.name for step in undo_order(workflow, {})] == ["y", "x", "g"]


def test_fallbacks_that_are_built_on_each_others_dependents_have_an_order_all_the_same() -> None:
    def fallback(name: str, primary: str, needs: list[str]) -> Step:
        relation = Secondary(primary=primary, mode=SecondaryMode.IF_PRIMARY_FAILS)
        return msgspec.structs.replace(scale_step(name, needs=needs), secondary=relation)

    steps = [
        scale_step("p"),
        scale_step("q"),
        scale_step("x", needs=["p"]),
        scale_step("y", needs=["q"]),
        fallback("x-last", "q", ["x"]),
        fallback("y-last", "p", ["y"]),
    ]
    workflow = with_steps(failed_after(*steps), {"p": StepPhase.FAILED, "q": StepPhase.FAILED})

    order = [step.name for step in undo_order(workflow, {})]

    assert sorted(order) == ["x", "x-last", "y", "y-last"]
    assert order.index("x-last") < order.index("x")
    assert order.index("y-last") < order.index("y")


def test_row_66_a_message_without_room_for_all_names_shows_that_it_was_cut() -> None:
    def all_denied(step: str, attempt: int) -> ErrorType | None:
        del step, attempt
        return ErrorType.PERMISSION_DENIED

    steps = [scale_step(f"{'a-long-name':0<36}-{number:02}") for number in range(12)]
    workflow = failed_after(*steps)
    last = [
        msgspec.structs.replace(step, message="it went wrong " * 18)
        if step.phase is StepPhase.FAILED
        else step
        for step in workflow.status.steps
    ]
    workflow = at(workflow, msgspec.structs.replace(workflow.status, steps=last))

    way = Way(workflow, outcome=all_denied).go()

    message = way.workflow.status.message
    assert len(message) <= 256
    assert message.startswith("step last failed: it went wrong")
    assert "0 of 12 steps undone; 12 undo failed: " in message
    assert message.endswith("…")
