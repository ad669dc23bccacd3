"""What policies make of a step that may start."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import pytest

from services.orchestrator.core.decide import decide, next_start
from services.orchestrator.core.guarding import Answers
from shared.api.enums import ErrorType, StepPhase, StepReason
from shared.api.results import ConditionResult, SafetyResult
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import ExecutionStrategy, Step, StepCondition
from shared.api.workflow_status import StepStatus
from shared.workflow.safety import SafetyAnswer
from tests.support.builders import NOW, make_workflow, notify_step, planned, scale_step

SAFE = SafetyResult(allowed=True, policy_revision="v1-abc")


def condition(name: str, *, timeout: str | None = None, required: bool = True) -> StepCondition:
    return StepCondition(type=name, description="says so", timeout=timeout, required=required)


def result(
    name: str, *, passed: bool, required: bool = True, evaluated: bool = True
) -> ConditionResult:
    return ConditionResult(
        condition_type=name,
        required=required,
        evaluated=evaluated,
        passed=passed,
        error_message="" if passed else "it is not so",
        attempts=1 if evaluated else 0,
    )


def guarded(name: str, *conditions: StepCondition, needs: Sequence[str] = ()) -> Step:
    return msgspec.structs.replace(scale_step(name, needs=needs), pre_conditions=list(conditions))


def answers(*results: ConditionResult, attempt: int = 1) -> Answers:
    return Answers(attempt=attempt, safety=SafetyAnswer(result=SAFE), conditions=results)


def denied(*, is_answered: bool = True) -> Answers:
    safety = SafetyResult(allowed=False, reasons=["safety.scale: no"], policy_revision="v1-abc")
    return Answers(attempt=1, safety=SafetyAnswer(result=safety, is_answered=is_answered))


def decided(
    workflow: WorkflowExecution, guards: dict[str, Answers], *, now: datetime = NOW, limit: int = 5
) -> WorkflowExecution:
    status = decide(workflow, {}, now=now, limit=limit, guards=guards)
    return msgspec.structs.replace(workflow, status=status or workflow.status)


def step(workflow: WorkflowExecution, name: str) -> StepStatus:
    return next(each for each in workflow.status.steps if each.name == name)


def test_row_76_a_required_precondition_blocks() -> None:
    before = planned(make_workflow([guarded("a", condition("there"))]))

    after = decided(before, {"a": answers(result("there", passed=False))})

    assert after.status.tokens == {}
    held = step(after, "a")
    assert (held.phase, held.reason) == (StepPhase.BLOCKED, StepReason.PRECONDITION_FAILED)
    assert held.message == "precondition there: it is not so"
    assert held.blocked_since == NOW
    assert next_start(after) == NOW + timedelta(seconds=1)


def test_a_blocked_step_is_not_looked_at_before_its_time() -> None:
    before = planned(make_workflow([guarded("a", condition("there"))]))
    held = decided(before, {"a": answers(result("there", passed=False))})

    assert decide(held, {}, now=NOW, limit=5, guards={}) is None
    assert decide(held, {}, now=NOW, limit=5) is None
    unguarded = decide(held, {}, now=NOW + timedelta(seconds=1), limit=5)
    assert unguarded is not None
    assert list(unguarded.tokens) == ["a"]


def test_a_blocked_step_starts_once_its_precondition_holds() -> None:
    before = planned(make_workflow([guarded("a", condition("there"))]))
    held = decided(before, {"a": answers(result("there", passed=False))})

    later = NOW + timedelta(seconds=1)
    after = decided(held, {"a": answers(result("there", passed=True))}, now=later)

    started = step(after, "a")
    assert list(after.status.tokens) == ["a"]
    assert (started.phase, started.reason, started.message) == (StepPhase.RUNNING, None, "")
    assert (started.blocked_since, started.next_attempt_time) == (None, None)
    assert [each.attempts for each in started.pre_condition_results] == [2]
    assert started.safety == SAFE


def test_pauses_grow_and_end_with_the_timeout() -> None:
    workflow = planned(make_workflow([guarded("a", condition("there", timeout="10s"))]))
    now, seen = NOW, []
    while step(workflow, "a").phase is not StepPhase.FAILED:
        workflow = decided(workflow, {"a": answers(result("there", passed=False))}, now=now)
        seen.append((now - NOW).total_seconds())
        now = step(workflow, "a").next_attempt_time or now

    assert seen == [0, 1, 2.5, 4.75, 8.125, 10]
    failed = step(workflow, "a")
    assert failed.error_type is ErrorType.PRECONDITION_FAILED
    assert failed.message == "not started, precondition there: it is not so"
    assert failed.blocked_since is None


def test_row_85_each_precondition_has_its_own_timeout() -> None:
    conditions = [condition("soon", timeout="5s"), condition("late", timeout="1h")]
    workflow = planned(make_workflow([guarded("a", *conditions)]))
    late = answers(result("soon", passed=True), result("late", passed=False))
    held = decided(workflow, {"a": late})

    still = decided(held, {"a": late}, now=NOW + timedelta(minutes=59))
    soon = answers(result("soon", passed=False), result("late", passed=True, evaluated=False))
    ended = decided(held, {"a": soon}, now=NOW + timedelta(minutes=59))

    assert step(still, "a").phase is StepPhase.BLOCKED
    assert step(ended, "a").phase is StepPhase.FAILED


def test_row_77_an_optional_precondition_only_tells() -> None:
    before = planned(make_workflow([guarded("a", condition("nice", required=False))]))

    after = decided(before, {"a": answers(result("nice", passed=False, required=False))})

    assert list(after.status.tokens) == ["a"]
    (told,) = step(after, "a").pre_condition_results
    assert (told.passed, told.required, told.error_message) == (False, False, "it is not so")


def test_row_72_a_denial_fails_the_step_at_once() -> None:
    before = planned(make_workflow([scale_step("a"), scale_step("b", needs=["a"])]))

    after = decided(before, {"a": denied()})

    failed = step(after, "a")
    assert after.status.tokens == {}
    assert (failed.phase, failed.reason) == (StepPhase.FAILED, StepReason.POLICY_VIOLATION)
    assert failed.error_type is ErrorType.POLICY_DENIED
    assert failed.message == "safety.scale: no"
    assert failed.safety is not None
    assert not failed.safety.allowed


def test_a_denial_lets_nothing_else_start_in_the_same_write() -> None:
    before = planned(make_workflow([scale_step("a"), notify_step("b")]))

    after = decided(before, {"a": denied(), "b": answers()})

    assert after.status.tokens == {}
    assert step(after, "b").phase is StepPhase.SKIPPED


def test_row_73_without_an_answer_nothing_starts() -> None:
    before = planned(make_workflow([scale_step("a")]))

    held = decided(before, {"a": denied(is_answered=False)})
    ended = decided(held, {"a": denied(is_answered=False)}, now=NOW + timedelta(seconds=30))

    assert held.status.tokens == {}
    assert step(held, "a").reason is StepReason.POLICY_UNAVAILABLE
    assert step(held, "a").phase is StepPhase.BLOCKED
    assert (step(ended, "a").phase, ended.status.tokens) == (StepPhase.FAILED, {})
    assert step(ended, "a").error_type is ErrorType.POLICY_DENIED


def test_a_step_that_nobody_asked_about_does_not_start() -> None:
    before = planned(make_workflow([scale_step("a"), notify_step("b")]))

    after = decided(before, {"b": answers()})

    assert list(after.status.tokens) == ["b"]
    assert step(after, "a").phase is StepPhase.PENDING


def test_answers_about_another_attempt_count_for_nothing() -> None:
    before = planned(make_workflow([scale_step("a")]))

    after = decided(before, {"a": answers(attempt=2)})

    assert after.status.tokens == {}


@pytest.mark.parametrize("passed", [True, False])
def test_what_waits_for_a_slot_stays_as_it_is(passed: bool) -> None:
    before = planned(make_workflow([guarded("a", condition("there"))]))
    said = {"a": answers(result("there", passed=passed))}

    status = decide(before, {}, now=NOW, limit=5, guards=said, only=frozenset())

    assert status is not None
    assert status.tokens == {}
    assert status.steps[0].phase is (StepPhase.PENDING if passed else StepPhase.BLOCKED)
    assert bool(status.steps[0].pre_condition_results) is not passed


def test_a_blocked_step_leaves_its_place_to_the_next() -> None:
    strategy = ExecutionStrategy(max_parallel_steps=1)
    steps = [guarded("a", condition("there")), notify_step("b")]
    before = planned(make_workflow(steps, strategy=strategy))
    held = decided(before, {"a": answers(result("there", passed=False))})

    after = decided(held, {"b": answers()})

    assert list(after.status.tokens) == ["b"]
    assert step(after, "a").phase is StepPhase.BLOCKED
