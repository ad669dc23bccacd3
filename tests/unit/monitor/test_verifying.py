"""A step completes when its postconditions hold, and fails when their time is up."""

from datetime import timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monitor.core.assess import assess, expected_executions
from services.monitor.core.judging import GRACE
from services.monitor.core.verifying import due_steps, next_round
from services.orchestrator.core.decide import decide
from shared.api.enums import (
    ErrorType,
    ExecutionKind,
    ExecutionPhase,
    OnInFlight,
    RollbackType,
    StepPhase,
    StepReason,
)
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import ExecutionStrategy, RetryPolicy, RollbackStrategy
from shared.workflow.phases import rollback_is_due
from tests.support.builders import NOW, by_name, execution_of, forward_name
from tests.support.verifying import (
    Truth,
    asked,
    condition,
    done,
    lived,
    looked_at,
    one_round,
    started,
    step_of,
    verified_step,
)

COMPLETED, FAILED, VERIFYING = StepPhase.COMPLETED, StepPhase.FAILED, StepPhase.VERIFYING
NEVER: Truth = lambda _name, _seconds: False  # noqa: E731 - a value among others
ALWAYS: Truth = lambda _name, _seconds: True  # noqa: E731


def from_second(**seconds: float) -> Truth:
    return lambda name, now: now >= seconds[name]


def after(workflow: WorkflowExecution, *, seconds: float) -> WorkflowExecution:
    """Return the workflow as of an execution that ended so long before NOW."""
    steps = [
        msgspec.structs.replace(s, completion_time=NOW - timedelta(seconds=seconds))
        for s in workflow.status.steps
    ]
    return with_status(workflow, steps=steps)


def with_status(workflow: WorkflowExecution, **fields: object) -> WorkflowExecution:
    status = msgspec.structs.replace(workflow.status, **fields)
    return msgspec.structs.replace(workflow, status=status)


def test_a_completed_execution_does_not_yet_complete_its_step() -> None:
    workflow = done(started(verified_step("a", condition("ready"))), "a")

    step = step_of(workflow, "a")
    assert (step.phase, step.completion_time) == (VERIFYING, NOW)
    assert step.result is None or step.result.success
    assert workflow.status.progress == 0
    assert workflow.status.execution_complete_time is None
    assert [due.name for due in due_steps(workflow, now=NOW, woken=False)] == ["a"]


def test_nothing_is_read_of_a_step_that_is_verified() -> None:
    running = started(verified_step("a", condition("ready")))
    workflow = done(running, "a")

    assert forward_name(workflow, "a") not in expected_executions(workflow)
    failed = execution_of(running, "a", phase=ExecutionPhase.FAILED)
    assert assess(workflow, by_name(failed), now=NOW, rounds={}) is None


def test_a_step_without_postconditions_completes_at_once() -> None:
    workflow = done(started(verified_step("a")), "a")

    assert step_of(workflow, "a").phase is COMPLETED


def test_a_step_completes_in_the_first_round_in_which_all_hold() -> None:
    workflow = done(started(verified_step("a", condition("ready"), condition("fine"))), "a")

    workflow = one_round(workflow, ALWAYS, at=NOW + timedelta(milliseconds=200))

    step = step_of(workflow, "a")
    assert (step.phase, step.reason, step.message) == (COMPLETED, None, "")
    assert step.completion_time == NOW + timedelta(milliseconds=200)
    assert [(r.passed, r.attempts) for r in step.post_condition_results] == [(True, 1), (True, 1)]
    assert step.post_condition_results[0].policy_revision == "v1-abc"
    assert workflow.status.workflow_result is not None
    assert workflow.status.workflow_result.outcome == "success"


def test_row_83_what_comes_true_after_40_s_passes_and_dependents_wait_until_then() -> None:
    running = started(verified_step("a", condition("ready")), verified_step("b", needs=["a"]))
    ended = by_name(execution_of(running, "a", phase=ExecutionPhase.COMPLETED))

    history = lived(done(running, "a"), from_second(ready=40))

    *waiting, (second, last) = history
    assert 40 <= second <= 45
    assert step_of(last, "a").phase is COMPLETED
    for _, workflow in waiting:
        assert step_of(workflow, "a").phase is VERIFYING
        status = decide(workflow, ended, now=NOW, limit=5) or workflow.status
        assert set(status.tokens) == {"a"}
    granted = decide(last, ended, now=NOW, limit=5)
    assert granted is not None
    assert set(granted.tokens) == {"b"}


def test_rounds_come_after_1_s_and_then_half_as_long_again_up_to_5_s() -> None:
    history = lived(done(started(verified_step("a", condition("ready"))), "a"), NEVER)

    seconds = [second for second, _ in history]
    gaps = [round(late - early, 4) for early, late in pairwise(seconds)]
    assert gaps[:6] == [1, 1.5, 2.25, 3.375, 5, 5]
    assert max(gaps) == 5
    assert seconds[-1] == 120
    assert step_of(history[-1][1], "a").post_condition_results[0].attempts == len(history)


def test_row_84_a_required_one_that_never_holds_fails_the_step_and_the_way_back_begins() -> None:
    running = started(verified_step("a", condition("ready", timeout="7s")))
    spec = msgspec.structs.replace(
        running.spec, rollback_strategy=RollbackStrategy(type=RollbackType.AUTOMATIC)
    )
    running = msgspec.structs.replace(running, spec=spec)

    second, workflow = lived(done(running, "a"), NEVER)[-1]

    step = step_of(workflow, "a")
    assert second == 7
    assert (step.phase, step.error_type) == (FAILED, ErrorType.POSTCONDITION_FAILED)
    assert step.message == "postcondition ready not met within 7s: ready is not so"
    assert step.next_attempt_time is None
    assert workflow.status.failed_step == "a"
    assert workflow.status.error_type is ErrorType.POSTCONDITION_FAILED
    assert workflow.status.workflow_result is not None
    assert workflow.status.workflow_result.outcome == "failed"
    assert rollback_is_due(with_status(workflow, tokens={}))


@pytest.mark.parametrize("slow", ["first", "second"])
def test_row_85_each_condition_has_its_own_time(slow: str) -> None:
    times = {"first": "10s", "second": "10s"} | {slow: "60s"}
    conditions = [condition(name, timeout=time) for name, time in times.items()]
    running = done(started(verified_step("a", *conditions)), "a")

    in_time = from_second(**{"first": 0, "second": 0, slow: 40})
    assert step_of(lived(running, in_time)[-1][1], "a").phase is COMPLETED
    second, workflow = lived(running, NEVER)[-1]
    assert second == (60 if slow == "first" else 10)
    assert step_of(workflow, "a").message.startswith("postcondition first not met within")


def test_row_85_steps_side_by_side_run_out_of_time_one_by_one() -> None:
    strategy = ExecutionStrategy(on_in_flight=OnInFlight.WAIT)
    steps = [
        verified_step(name, condition("ready", timeout=name[1:] + "s")) for name in ("t9", "t4")
    ]
    workflow = done(started(*steps, strategy=strategy), "t9", "t4")

    ends: dict[str, float] = {}
    for second, each in lived(workflow, NEVER):
        for step in each.status.steps:
            if step.phase is FAILED:
                ends.setdefault(step.name, second)

    assert ends == {"t4": 4, "t9": 9}


def test_row_78_after_the_first_required_one_that_fails_later_ones_are_not_evaluated() -> None:
    conditions = [
        condition("hint", required=False),
        condition("ready", timeout="3s"),
        condition("fine", timeout="1s"),
    ]
    running = done(started(verified_step("a", *conditions)), "a")

    second, workflow = lived(running, NEVER)[-1]

    step = step_of(workflow, "a")
    assert (step.phase, second) == (FAILED, 3)
    assert step.message.startswith("postcondition ready ")
    said = [(r.evaluated, r.passed) for r in step.post_condition_results]
    assert said == [(True, False), (True, False), (False, False)]
    assert step.post_condition_results[2].attempts == 0


def test_row_78_what_was_not_evaluated_in_its_time_is_evaluated_once_it_can_be() -> None:
    conditions = [condition("ready", timeout="60s"), condition("fine", timeout="5s")]
    running = done(started(verified_step("a", *conditions)), "a")

    good = step_of(lived(running, from_second(ready=20, fine=6))[-1][1], "a")
    bad = step_of(lived(running, from_second(ready=20, fine=50))[-1][1], "a")

    assert good.phase is COMPLETED
    assert (bad.phase, bad.message) == (
        FAILED,
        "postcondition fine not met within 5s: fine is not so",
    )
    assert bad.post_condition_results[1].attempts == 1


def test_row_77_an_optional_one_is_waited_for_and_then_left_as_a_warning() -> None:
    conditions = [condition("ready"), condition("hint", required=False, timeout="8s")]
    running = done(started(verified_step("a", *conditions)), "a")

    second, workflow = lived(running, from_second(ready=2, hint=9))[-1]

    step = step_of(workflow, "a")
    assert (step.phase, second, step.error_type) == (COMPLETED, 8, None)
    hint = step.post_condition_results[1]
    assert (hint.required, hint.evaluated, hint.passed) == (False, True, False)
    assert hint.error_message == "hint is not so"
    assert workflow.status.workflow_result is not None
    assert workflow.status.workflow_result.outcome == "partial_success"


def test_row_77_an_optional_one_that_comes_true_in_time_is_no_warning() -> None:
    running = done(started(verified_step("a", condition("hint", required=False))), "a")

    second, workflow = lived(running, from_second(hint=40))[-1]

    assert 40 <= second <= 45
    assert workflow.status.workflow_result is not None
    assert workflow.status.workflow_result.outcome == "success"


def test_an_optional_one_that_cannot_be_evaluated_is_not_waited_for() -> None:
    spec = verified_step("a", condition("hint", required=False))
    workflow = done(started(spec), "a")
    found = asked(spec, step_of(workflow, "a"), at=NOW, truth=NEVER)
    unsaid = [msgspec.structs.replace(r, evaluated=False) for r in found.results]

    workflow = looked_at(
        workflow, rounds={"a": msgspec.structs.replace(found, results=tuple(unsaid))}
    )

    assert step_of(workflow, "a").phase is COMPLETED


def test_a_round_that_says_nothing_of_a_required_one_does_not_complete_the_step() -> None:
    spec = verified_step("a", condition("ready"), condition("fine"))
    workflow = done(started(spec), "a")
    found = asked(spec, step_of(workflow, "a"), at=NOW, truth=ALWAYS)

    short = msgspec.structs.replace(found, results=found.results[:1])
    workflow = looked_at(workflow, rounds={"a": short})

    assert step_of(workflow, "a").phase is VERIFYING


def test_time_counts_from_the_end_of_the_execution_whatever_was_restarted_meanwhile() -> None:
    running = done(started(verified_step("a", condition("ready"))), "a")

    late = after(running, seconds=600)

    assert step_of(one_round(late, NEVER, at=NOW), "a").phase is FAILED
    assert step_of(one_round(late, ALWAYS, at=NOW), "a").phase is COMPLETED


def test_a_completed_execution_is_never_overdue() -> None:
    workflow = started(verified_step("a", condition("ready")))
    ended = execution_of(workflow, "a", phase=ExecutionPhase.COMPLETED)
    late = NOW + timedelta(minutes=5) + GRACE + timedelta(hours=1)

    workflow = looked_at(workflow, ended, now=late)

    assert step_of(workflow, "a").phase is VERIFYING
    assert step_of(looked_at(workflow, ended, now=late), "a").phase is VERIFYING


def test_what_happens_in_the_workflow_brings_the_next_round_forward_but_not_below_1_s() -> None:
    workflow = done(started(verified_step("a", condition("ready"))), "a")
    for second in (0, 1, 2.5, 4.75, 8.125):
        workflow = one_round(workflow, NEVER, at=NOW + timedelta(seconds=second))
    last = NOW + timedelta(seconds=8.125)
    assert next_round(workflow) == last + timedelta(seconds=5)

    soon = last + timedelta(seconds=1)
    assert due_steps(workflow, now=soon, woken=True)
    assert not due_steps(workflow, now=soon, woken=False)
    assert not due_steps(workflow, now=soon - timedelta(milliseconds=1), woken=True)


def test_a_round_of_another_attempt_counts_for_nothing() -> None:
    spec = verified_step("a", condition("ready"))
    workflow = done(started(spec), "a")
    found = asked(spec, step_of(workflow, "a"), at=NOW, truth=ALWAYS)

    for stale in (
        msgspec.structs.replace(found, attempt=2),
        msgspec.structs.replace(found, number=2),
    ):
        assert assess(workflow, {}, now=NOW, rounds={"a": stale}) is None
    ended = looked_at(workflow, rounds={"a": found})
    assert assess(ended, {}, now=NOW, rounds={"a": found}) is None


def test_a_failed_verification_is_retried_where_the_policy_says_so() -> None:
    policy = RetryPolicy(
        max_retries=1, initial_delay="30s", retryable_errors=[ErrorType.POSTCONDITION_FAILED]
    )
    spec = msgspec.structs.replace(
        verified_step("a", condition("ready", timeout="5s")), retry_policy=policy
    )

    _, workflow = lived(done(started(spec), "a"), NEVER)[-1]

    step = step_of(workflow, "a")
    assert (step.phase, step.reason) == (StepPhase.PENDING, StepReason.RETRYING)
    assert step.next_attempt_time == NOW + timedelta(seconds=35)
    assert step.message.startswith("attempt 1 of 2 failed: postcondition ready not met")


def test_results_of_an_earlier_attempt_do_not_count_for_the_next_one() -> None:
    spec = verified_step("a", condition("ready", timeout="5s"))
    _, failed = lived(done(started(spec), "a"), NEVER)[-1]
    again = [
        msgspec.structs.replace(s, phase=StepPhase.RUNNING, attempts=2) for s in failed.status.steps
    ]
    workflow = with_status(started(spec), steps=again)
    second = execution_of(workflow, "a", phase=ExecutionPhase.COMPLETED, attempt=2)

    workflow = looked_at(workflow, second)

    step = step_of(workflow, "a")
    assert (step.phase, step.post_condition_results) == (VERIFYING, [])


def test_where_nobody_verifies_a_completed_execution_completes_its_step() -> None:
    running = started(verified_step("a", condition("ready")))
    ended = by_name(execution_of(running, "a", phase=ExecutionPhase.COMPLETED))

    for workflow in (running, done(running, "a")):
        status = assess(workflow, ended, now=NOW, rounds=None)
        assert status is not None
        assert status.steps[0].phase is COMPLETED


def test_what_a_settling_execution_finds_is_verified_too() -> None:
    workflow = started(verified_step("a", condition("ready")))
    found = execution_of(workflow, "a", phase=ExecutionPhase.COMPLETED, kind=ExecutionKind.SETTLE)

    assert step_of(looked_at(workflow, found), "a").phase is VERIFYING


CONDITIONS = st.lists(
    st.tuples(st.booleans(), st.integers(1, 60), st.integers(0, 80)), min_size=1, max_size=4
)


@given(drawn=CONDITIONS, wakes=st.lists(st.integers(0, 90), max_size=12))
def test_same_facts_give_the_same_status_and_repeated_rounds_are_harmless(
    drawn: list[tuple[bool, int, int]], wakes: list[int]
) -> None:
    spec = verified_step(
        "a",
        *(
            condition(f"c{place}", required=required, timeout=f"{timeout}s")
            for place, (required, timeout, _) in enumerate(drawn)
        ),
    )
    truth = from_second(**{f"c{place}": since for place, (*_, since) in enumerate(drawn)})
    workflow = done(started(spec), "a")
    times = sorted(wakes)
    at = NOW
    while step_of(workflow, "a").phase is VERIFYING:
        found = {"a": asked(spec, step_of(workflow, "a"), at=at, truth=truth)}
        twice = [assess(workflow, {}, now=at, rounds=found) for _ in range(2)]
        assert twice[0] == twice[1]
        workflow = looked_at(workflow, rounds=found, now=at)
        assert assess(workflow, {}, now=at, rounds=found) is None
        assert assess(workflow, {}, now=at, rounds={}) is None
        due = next_round(workflow) or at
        early = [NOW + timedelta(seconds=s) for s in times if at < NOW + timedelta(seconds=s) < due]
        at = early[0] if early else due

    step = step_of(workflow, "a")
    missed = [r for r in step.post_condition_results if r.required and not r.passed]
    assert (step.phase is FAILED) == bool(missed)
    last = max(timeout for _, timeout, _ in drawn)
    assert at <= NOW + timedelta(seconds=max([last, *times]) + 5)
