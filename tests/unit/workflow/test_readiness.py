"""Which steps may start, which have to wait, and which never will."""

from collections.abc import Mapping

import msgspec
import pytest

from shared.api.enums import RELEASING_REASONS, SecondaryMode, StepPhase, StepReason
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Secondary, Step
from shared.api.workflow_status import Token
from shared.workflow.readiness import State, is_handled, lost_steps, standings
from tests.support.builders import NOW, diamond, make_workflow, planned, scale_step, with_steps

DONE, FAILED, SKIPPED = StepPhase.COMPLETED, StepPhase.FAILED, StepPhase.SKIPPED
RUNNING, BLOCKED = StepPhase.RUNNING, StepPhase.BLOCKED
FALLBACK, AFTER = SecondaryMode.IF_PRIMARY_FAILS, SecondaryMode.AFTER_PRIMARY
TOGETHER = SecondaryMode.PARALLEL_WITH_PRIMARY


def _secondary(name: str, primary: str, mode: SecondaryMode) -> Step:
    relation = Secondary(primary=primary, mode=mode)
    return msgspec.structs.replace(scale_step(name), secondary=relation)


def _workflow(steps: list[Step], phases: Mapping[str, StepPhase]) -> WorkflowExecution:
    return with_steps(planned(make_workflow(steps)), phases)


def _skipped(workflow: WorkflowExecution, name: str, reason: StepReason) -> WorkflowExecution:
    steps = [
        msgspec.structs.replace(s, phase=SKIPPED, reason=reason) if s.name == name else s
        for s in workflow.status.steps
    ]
    status = msgspec.structs.replace(workflow.status, steps=steps)
    return msgspec.structs.replace(workflow, status=status)


def _states(workflow: WorkflowExecution) -> dict[str, str]:
    return {name: found.state.value for name, found in standings(workflow).items()}


def test_a_diamond_opens_from_its_top() -> None:
    waiting = {"b": "open", "c": "open", "d": "open"}

    assert _states(_workflow(diamond(), {})) == {"a": "released"} | waiting
    assert _states(_workflow(diamond(), {"a": RUNNING})) == waiting
    done = _workflow(diamond(), {"a": DONE, "b": DONE})
    assert _states(done) == {"c": "released", "d": "open"}


def test_whatever_needs_a_failed_step_is_lost_down_to_the_last() -> None:
    found = standings(_workflow(diamond(), {"a": FAILED}))

    assert {standing.state for standing in found.values()} == {State.LOST}
    assert {standing.reason for standing in found.values()} == {StepReason.DEPENDENCY_FAILED}
    assert [found[name].culprit for name in "bcd"] == ["a", "a", "b"]


@pytest.mark.parametrize("reason", sorted(set(StepReason)))
def test_a_skipped_step_frees_its_dependents_only_if_it_was_not_needed(reason: StepReason) -> None:
    workflow = _skipped(_workflow([scale_step("a"), scale_step("b", needs=["a"])], {}), "a", reason)

    expected = "released" if reason in RELEASING_REASONS else "lost"

    assert _states(workflow) == {"b": expected}


def test_a_step_that_holds_a_token_has_started_even_if_it_is_blocked() -> None:
    workflow = _workflow([scale_step("a"), scale_step("b")], {"a": BLOCKED, "b": BLOCKED})
    token = Token(attempt=1, fence=1, granted_at=NOW)
    status = msgspec.structs.replace(workflow.status, tokens={"a": token})

    assert _states(msgspec.structs.replace(workflow, status=status)) == {"b": "released"}


def test_a_fallback_waits_for_its_primary_and_runs_when_it_fails() -> None:
    steps = [scale_step("a"), _secondary("plan-b", "a", FALLBACK)]

    assert _states(_workflow(steps, {})) == {"a": "released", "plan-b": "open"}
    assert _states(_workflow(steps, {"a": RUNNING})) == {"plan-b": "open"}
    assert _states(_workflow(steps, {"a": FAILED})) == {"plan-b": "released"}


def test_a_fallback_is_not_needed_when_the_primary_completed_or_was_not_needed() -> None:
    steps = [scale_step("a"), _secondary("plan-b", "a", FALLBACK)]

    for workflow in (
        _workflow(steps, {"a": DONE}),
        _skipped(_workflow(steps, {}), "a", StepReason.CONDITION_FALSE),
    ):
        (found,) = standings(workflow).values()
        assert (found.state, found.reason) == (State.LOST, StepReason.PRIMARY_COMPLETED)


def test_a_fallback_goes_with_a_primary_that_never_ran() -> None:
    steps = [scale_step("a"), _secondary("plan-b", "a", FALLBACK)]
    workflow = _skipped(_workflow(steps, {}), "a", StepReason.DEPENDENCY_FAILED)

    (found,) = standings(workflow).values()

    assert (found.state, found.reason) == (State.LOST, StepReason.DEPENDENCY_FAILED)


@pytest.mark.parametrize(
    ("fallback", "dependent"),
    [(RUNNING, "open"), (DONE, "released"), (FAILED, "lost"), (SKIPPED, "lost")],
)
def test_dependents_of_a_failed_primary_wait_for_its_fallback(
    fallback: StepPhase, dependent: str
) -> None:
    steps = [
        scale_step("a"),
        _secondary("plan-b", "a", FALLBACK),
        scale_step("next", needs=["a"]),
    ]

    workflow = _workflow(steps, {"a": FAILED, "plan-b": fallback})

    assert _states(workflow) == {"next": dependent}


def test_dependents_wait_for_a_fallback_that_has_not_started() -> None:
    steps = [
        scale_step("a"),
        _secondary("plan-b", "a", FALLBACK),
        scale_step("next", needs=["a"]),
    ]

    assert _states(_workflow(steps, {"a": FAILED})) == {"plan-b": "released", "next": "open"}


def test_a_dependent_of_a_fallback_that_was_not_needed_runs() -> None:
    steps = [
        scale_step("a"),
        _secondary("plan-b", "a", FALLBACK),
        scale_step("next", needs=["plan-b"]),
    ]

    assert _states(_workflow(steps, {"a": DONE})) == {"plan-b": "lost", "next": "released"}


def test_after_the_primary_means_after_it_completed() -> None:
    steps = [scale_step("a"), _secondary("then", "a", AFTER)]

    assert _states(_workflow(steps, {"a": RUNNING})) == {"then": "open"}
    assert _states(_workflow(steps, {"a": DONE})) == {"then": "released"}
    assert _states(_workflow(steps, {"a": FAILED})) == {"then": "lost"}


def test_together_with_the_primary_means_needing_what_it_needs() -> None:
    steps = [scale_step("z"), scale_step("a", needs=["z"]), _secondary("with", "a", TOGETHER)]

    assert _states(_workflow(steps, {"z": RUNNING})) == {"a": "open", "with": "open"}
    assert _states(_workflow(steps, {"z": DONE})) == {"a": "released", "with": "released"}
    assert lost_steps(_workflow(steps, {"z": FAILED})) == {"a", "with"}


@pytest.mark.parametrize(
    ("fallback", "handled"),
    [(StepPhase.PENDING, True), (RUNNING, True), (DONE, True), (FAILED, False), (SKIPPED, False)],
)
def test_a_failure_is_handled_while_a_fallback_may_still_complete(
    fallback: StepPhase, handled: bool
) -> None:
    steps = [scale_step("a"), _secondary("plan-b", "a", FALLBACK)]
    workflow = _workflow(steps, {"a": FAILED, "plan-b": fallback})

    assert is_handled(workflow, workflow.status.steps[0]) is handled


def test_a_fallback_that_cannot_start_handles_nothing() -> None:
    needy = msgspec.structs.replace(_secondary("plan-b", "a", FALLBACK), depends_on=["c"])
    steps = [scale_step("a"), scale_step("c", critical=False), needy]
    workflow = _workflow(steps, {"a": FAILED, "c": FAILED})

    assert lost_steps(workflow) == {"plan-b"}
    assert is_handled(workflow, workflow.status.steps[0]) is False


def test_a_fallback_may_have_a_fallback_of_its_own() -> None:
    steps = [
        scale_step("a"),
        _secondary("plan-b", "a", FALLBACK),
        _secondary("plan-c", "plan-b", FALLBACK),
        scale_step("next", needs=["a"]),
    ]
    second = _workflow(steps, {"a": FAILED, "plan-b": FAILED})
    third = _workflow(steps, {"a": FAILED, "plan-b": FAILED, "plan-c": DONE})
    none = _workflow(steps, {"a": FAILED, "plan-b": FAILED, "plan-c": FAILED})

    assert _states(second) == {"plan-c": "released", "next": "open"}
    assert _states(third) == {"next": "released"}
    assert _states(none) == {"next": "lost"}
    handled = [is_handled(each, each.status.steps[0]) for each in (second, third, none)]
    assert handled == [True, True, False]
