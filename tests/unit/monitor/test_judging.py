"""What becomes of a step whose attempt failed, is blocked, or never ends."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec
import pytest

from services.monitor.core.assess import assess, expected_executions
from services.monitor.core.judging import GRACE
from services.orchestrator.core.decide import decide
from shared.api.enums import (
    Control,
    ErrorType,
    ExecutionKind,
    ExecutionPhase,
    Health,
    StepPhase,
    StepReason,
)
from shared.api.execution import KubernetesExecution
from shared.api.meta import Condition, ConditionStatus
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import RetryPolicy
from shared.api.workflow_status import ControlStatus, StepStatus, Token, WorkflowStatus
from shared.ids import ExecutionName
from tests.support.builders import (
    NOW,
    by_name,
    execution_of,
    forward_name,
    make_workflow,
    planned,
    scale_step,
    with_steps,
)

RUNNING, FAILED = StepPhase.RUNNING, ExecutionPhase.FAILED
POLICY = RetryPolicy(max_retries=2, initial_delay="30s", multiplier=2.0)


def _running(
    *names: str, attempts: int = 1, retries: int = 2, phase: StepPhase = RUNNING
) -> WorkflowExecution:
    policy = msgspec.structs.replace(POLICY, max_retries=retries)
    steps = [msgspec.structs.replace(scale_step(name), retry_policy=policy) for name in names]
    workflow = with_steps(planned(make_workflow(steps)), dict.fromkeys(names, phase))
    granted = [msgspec.structs.replace(s, attempts=attempts) for s in workflow.status.steps]
    tokens = {name: Token(attempt=attempts, fence=1, granted_at=NOW) for name in names}
    return _with(workflow, steps=granted, tokens=tokens, execution_start_time=NOW)


def _with(workflow: WorkflowExecution, **fields: object) -> WorkflowExecution:
    status = msgspec.structs.replace(workflow.status, **fields)
    return msgspec.structs.replace(workflow, status=status)


def _judged(
    workflow: WorkflowExecution, *executions: KubernetesExecution, now: datetime = NOW
) -> WorkflowStatus:
    after = assess(workflow, by_name(*executions), now=now)
    assert after is not None
    return after


def _failure(
    workflow: WorkflowExecution,
    name: str = "a",
    *,
    error: ErrorType = ErrorType.TIMEOUT,
    attempt: int = 1,
    kind: ExecutionKind = ExecutionKind.FORWARD,
) -> KubernetesExecution:
    found = execution_of(workflow, name, phase=FAILED, error=error, attempt=attempt, kind=kind)
    status = msgspec.structs.replace(found.status, message="it is not ready")
    return msgspec.structs.replace(found, status=status)


def _blocked(workflow: WorkflowExecution, *, truth: ConditionStatus) -> KubernetesExecution:
    found = execution_of(workflow, "a")
    condition = Condition(type="Blocked", status=truth, message="web is held by other/fix")
    status = msgspec.structs.replace(found.status, conditions=[condition])
    return msgspec.structs.replace(found, status=status)


def _only(status: WorkflowStatus) -> StepStatus:
    (step,) = status.steps
    return step


def test_row_58_a_transient_failure_waits_for_its_next_attempt() -> None:
    workflow = _running("a")

    after = _judged(workflow, _failure(workflow))

    step = _only(after)
    assert (step.phase, step.reason) == (StepPhase.PENDING, StepReason.RETRYING)
    assert step.next_attempt_time == NOW + timedelta(seconds=30)
    assert step.message == "attempt 1 of 3 failed: it is not ready; next at 03:04:35Z"
    assert step.error_type is ErrorType.TIMEOUT
    assert (step.start_time, step.completion_time) == (None, None)
    assert (after.health, after.failed_steps, after.failed_step) == (Health.DEGRADED, 0, "")
    assert after.execution_complete_time is None


def test_a_failed_attempt_is_judged_once() -> None:
    workflow = _running("a")
    failure = _failure(workflow)
    waiting = msgspec.structs.replace(workflow, status=_judged(workflow, failure))

    assert expected_executions(waiting) == []
    later = NOW + timedelta(hours=1)
    assert assess(waiting, by_name(failure), now=later) is None


def test_the_wait_counts_from_the_end_of_the_attempt_not_from_the_look() -> None:
    workflow = _running("a")

    step = _only(_judged(workflow, _failure(workflow), now=NOW + timedelta(seconds=20)))

    assert step.next_attempt_time == NOW + timedelta(seconds=30)


def test_the_second_wait_is_longer() -> None:
    workflow = _running("a", attempts=2)

    step = _only(_judged(workflow, _failure(workflow, attempt=2)))

    assert step.next_attempt_time == NOW + timedelta(seconds=60)
    assert step.message.startswith("attempt 2 of 3 failed")


def test_a_message_without_end_leaves_room_for_the_time() -> None:
    workflow = _running("a")
    failure = _failure(workflow)
    long = msgspec.structs.replace(failure.status, message="x" * 256)

    step = _only(_judged(workflow, msgspec.structs.replace(failure, status=long)))

    assert len(step.message) == 256
    assert step.message.endswith("; next at 03:04:35Z")


def test_the_last_attempt_fails_the_step() -> None:
    workflow = _running("a", attempts=3)

    after = _judged(workflow, _failure(workflow, attempt=3))

    step = _only(after)
    assert (step.phase, step.reason) == (StepPhase.FAILED, None)
    assert step.message == "after 3 attempts: it is not ready"
    assert step.next_attempt_time is None
    assert after.failed_step == "a"


def test_a_later_success_leaves_nothing_of_the_failures() -> None:
    workflow = _running("a", attempts=2)
    marked = msgspec.structs.replace(
        _only(workflow.status), error_type=ErrorType.TIMEOUT, next_attempt_time=NOW
    )
    done = execution_of(workflow, "a", phase=ExecutionPhase.COMPLETED, attempt=2)

    step = _only(_judged(_with(workflow, steps=[marked]), done))

    assert step.phase is StepPhase.COMPLETED
    assert (step.reason, step.error_type, step.next_attempt_time) == (None, None, None)


def test_row_59_a_permanent_error_fails_the_step_at_once() -> None:
    workflow = _running("a")

    after = _judged(workflow, _failure(workflow, error=ErrorType.VALIDATION_ERROR))

    assert _only(after).phase is StepPhase.FAILED
    assert _only(after).message == "it is not ready"


def test_what_a_settling_execution_finds_is_never_tried_again() -> None:
    workflow = _running("a")

    after = _judged(workflow, _failure(workflow, kind=ExecutionKind.SETTLE))

    assert _only(after).phase is StepPhase.FAILED


@pytest.mark.parametrize(
    "stop",
    [
        {"control": ControlStatus(stop=Control.CANCEL)},
        {"timed_out_at": NOW},
    ],
    ids=["cancelled", "timed-out"],
)
def test_a_failure_in_a_stopping_workflow_is_final(stop: Mapping[str, object]) -> None:
    workflow = _with(_running("a"), **stop)

    assert _only(_judged(workflow, _failure(workflow))).phase is StepPhase.FAILED


def test_a_failure_that_stops_the_workflow_also_ends_the_retries_beside_it() -> None:
    workflow = _running("a", "b")
    transient = _failure(workflow, "a")
    permanent = _failure(workflow, "b", error=ErrorType.PERMISSION_DENIED)

    after = _judged(workflow, transient, permanent)

    assert [step.phase for step in after.steps] == [StepPhase.FAILED, StepPhase.FAILED]
    assert after.execution_complete_time == NOW


def test_a_retry_in_a_paused_workflow_is_recorded_at_once() -> None:
    workflow = _with(_running("a"), control=ControlStatus(paused=True), phase="Paused")

    assert _only(_judged(workflow, _failure(workflow))).reason is StepReason.RETRYING


def test_a_retry_that_a_stop_took_away_counts_as_a_failure() -> None:
    workflow = _running("a", "b")
    waiting = _with(workflow, steps=_judged(workflow, _failure(workflow)).steps)
    failure = _failure(waiting, "b", error=ErrorType.PERMISSION_DENIED)

    after = _judged(waiting, failure)

    assert after.failed_steps == 2
    assert after.failed_step == "b"
    assert after.execution_complete_time == NOW


def test_a_locked_target_blocks_the_step_until_the_lock_is_gone() -> None:
    workflow = _running("a")
    blocked = _judged(workflow, _blocked(workflow, truth=ConditionStatus.TRUE))

    step = _only(blocked)
    assert (step.phase, step.reason) == (StepPhase.BLOCKED, StepReason.TARGET_LOCKED)
    assert step.message == "web is held by other/fix"
    assert blocked.health is Health.DEGRADED
    assert blocked.execution_complete_time is None

    waiting = msgspec.structs.replace(workflow, status=blocked)
    assert assess(waiting, by_name(_blocked(workflow, truth=ConditionStatus.TRUE)), now=NOW) is None
    for free in (
        _blocked(workflow, truth=ConditionStatus.FALSE),
        execution_of(workflow, "a", phase=ExecutionPhase.RUNNING, claimed=True),
    ):
        step = _only(_judged(waiting, free))
        assert (step.phase, step.reason, step.message) == (RUNNING, None, "")


def test_a_blocked_step_with_a_failed_sibling_is_still_in_flight() -> None:
    workflow = _running("a", "b")
    blocked = _blocked(workflow, truth=ConditionStatus.TRUE)
    failure = _failure(workflow, "b", error=ErrorType.PERMISSION_DENIED)

    after = _judged(workflow, blocked, failure)

    assert after.failed_step == "b"
    assert after.execution_complete_time is None


def test_an_attempt_that_nobody_ends_fails_its_step_after_the_grace() -> None:
    workflow = _running("a")
    held = execution_of(workflow, "a", phase=ExecutionPhase.RUNNING, claimed=True)
    limit = NOW + timedelta(minutes=5) + GRACE

    assert assess(workflow, by_name(held), now=limit - timedelta(microseconds=1)) is None
    after = _judged(workflow, held, now=limit)

    step = _only(after)
    assert (step.phase, step.error_type) == (StepPhase.FAILED, ErrorType.TIMEOUT)
    assert "executor-0" in step.message
    assert step.start_time == NOW
    assert after.failed_step == "a"


def test_an_attempt_that_is_found_late_to_have_ended_has_its_own_outcome() -> None:
    workflow = _running("a")
    done = execution_of(workflow, "a", phase=ExecutionPhase.COMPLETED)

    assert _only(_judged(workflow, done, now=NOW + timedelta(hours=1))).phase is (
        StepPhase.COMPLETED
    )


def test_only_what_is_open_is_read() -> None:
    workflow = _running("a", "b")
    waiting = _judged(workflow, _failure(workflow))

    after = msgspec.structs.replace(workflow, status=waiting)

    assert forward_name(after, "a") not in expected_executions(after)
    assert forward_name(after, "b") in expected_executions(after)


def test_a_settling_execution_is_read_although_its_step_gave_its_token_away() -> None:
    workflow = _running("a", "b")
    workflow = with_steps(workflow, {"b": StepPhase.PENDING})
    workflow = _with(
        workflow,
        tokens={"a": workflow.status.tokens["a"]},
        steps=[
            msgspec.structs.replace(s, attempts=1 if s.name == "a" else 0)
            for s in workflow.status.steps
        ],
    )
    lost = frozenset({forward_name(workflow, "a")})
    settling = _with_decision(workflow, deleted=lost)
    found = execution_of(settling, "a", phase=ExecutionPhase.COMPLETED, kind=ExecutionKind.SETTLE)

    handed_over = _with_decision(settling, found)

    assert set(handed_over.status.tokens) == {"b"}
    assert found.metadata.name in expected_executions(handed_over)
    assert _step(_judged(handed_over, found), "a").phase is StepPhase.COMPLETED


def _with_decision(
    workflow: WorkflowExecution,
    *executions: KubernetesExecution,
    deleted: frozenset[ExecutionName] = frozenset(),
) -> WorkflowExecution:
    status = decide(workflow, by_name(*executions), now=NOW, limit=1, deleted=deleted)
    assert status is not None
    return msgspec.structs.replace(workflow, status=status)


def _step(status: WorkflowStatus, name: str) -> StepStatus:
    return next(step for step in status.steps if step.name == name)
