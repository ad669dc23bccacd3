"""An undo that failed is tried again, three times in all, later each time."""

from datetime import timedelta

import msgspec
import pytest

from services.rollback.core import trigger
from services.rollback.core.bounds import Bounds
from shared.api.enums import ErrorType, Phase, RollbackStepPhase
from shared.api.workflow import WorkflowExecution
from tests.support.builders import NOW, by_name, scale_step
from tests.support.undoing import (
    Way,
    at,
    failed_after,
    failed_diamond,
    forward,
    rollback_of,
    running,
    undo,
    undo_step,
)

PENDING, FAILED, SKIPPED = (
    RollbackStepPhase.PENDING,
    RollbackStepPhase.FAILED,
    RollbackStepPhase.SKIPPED,
)


def twice(step: str, attempt: int) -> ErrorType | None:
    return ErrorType.TIMEOUT if step == "b" and attempt < 3 else None


def always(step: str, attempt: int) -> ErrorType | None:
    del attempt
    return ErrorType.TIMEOUT if step == "b" else None


def test_row_67_each_try_is_an_execution_of_its_own_with_a_newer_fence() -> None:
    way = Way(failed_diamond(), outcome=twice).finish()

    assert way.undone == ["c", "b", "b", "b", "a"]
    assert way.workflow.status.phase is Phase.ROLLED_BACK
    attempts = [each.spec.attempt for each in way.created if each.spec.step_name == "b"]
    fences = [each.spec.fence for each in way.created]
    assert attempts == [1, 2, 3]
    assert fences == sorted(set(fences))
    assert len({each.metadata.name for each in way.created}) == 5


def test_row_67_waits_grow_and_hold_up_those_that_come_later() -> None:
    way = Way(failed_diamond(), outcome=twice)

    waits = []
    while way.go().workflow.status.phase is Phase.ROLLING_BACK:
        waiting = undo_step(way.workflow, "b")
        assert (waiting.phase, waiting.reason) == (PENDING, "Retrying")
        assert waiting.next_attempt_time is not None
        assert undo_step(way.workflow, "a").attempt == 0
        assert "a" not in way.undone
        waits.append(waiting.next_attempt_time - way.now)
        way.now = waiting.next_attempt_time - timedelta(milliseconds=1)
        assert not way.move()
        way.now = waiting.next_attempt_time

    assert waits == [timedelta(seconds=1), timedelta(seconds=2)]


def test_a_wait_says_what_went_wrong_and_when_it_goes_on() -> None:
    way = Way(failed_diamond(), outcome=twice).go()

    assert undo_step(way.workflow, "b").message == (
        f"attempt 1 of 3 failed: try 1 went wrong; next at {NOW + timedelta(seconds=1):%H:%M:%S}Z"
    )


def test_row_67_three_tries_and_no_more() -> None:
    way = Way(failed_diamond(), outcome=always).finish()

    step = undo_step(way.workflow, "b")
    assert way.undone == ["c", "b", "b", "b", "a"]
    assert way.workflow.status.phase is Phase.ROLLBACK_FAILED
    assert (step.phase, step.attempt) == (FAILED, 3)
    assert step.message == "after 3 attempts: try 3 went wrong"
    assert step.next_attempt_time is None


def test_the_number_of_tries_can_be_set() -> None:
    way = Way(failed_diamond(), outcome=always, bounds=Bounds(attempts=1)).finish()

    assert way.undone == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (ErrorType.TIMEOUT, True),
        (ErrorType.RESOURCE_CONFLICT, True),
        (ErrorType.RESOURCE_QUOTA_EXCEEDED, True),
        (ErrorType.UNKNOWN_ERROR, True),
        (ErrorType.PERMISSION_DENIED, False),
        (ErrorType.VALIDATION_ERROR, False),
        (ErrorType.POLICY_DENIED, False),
        (ErrorType.RESOURCE_NOT_FOUND, False),
    ],
)
def test_what_will_not_change_is_not_tried_again(error: ErrorType, again: bool) -> None:
    way = Way(failed_after(scale_step("a")), outcome=lambda *_: error).finish()

    assert len(way.undone) == (3 if again else 1)


def test_row_70_drift_is_reported_and_not_tried_again() -> None:
    workflow = failed_after(scale_step("a"), scale_step("b"))
    executions = forward(workflow)
    workflow = running(workflow, executions)
    drifted = undo(workflow, "b", ErrorType.RESOURCE_CONFLICT, reason="RollbackSkippedDrift")

    way = Way(workflow, executions=[*executions, drifted]).go()

    step = undo_step(way.workflow, "b")
    conditions = {each.type: each for each in way.workflow.status.conditions}
    assert (step.phase, step.reason) == (SKIPPED, "RollbackSkippedDrift")
    assert way.undone == ["a"]
    assert way.workflow.status.phase is Phase.ROLLED_BACK
    assert conditions["RollbackSkippedDrift"].status == "True"
    assert conditions["RollbackSkippedDrift"].message.endswith("had changed: b")
    assert "skipped: drift: b" in way.workflow.status.message


def test_row_68_a_waiting_retry_survives_a_restart() -> None:
    before = Way(failed_diamond(), outcome=twice).go()
    waiting = undo_step(before.workflow, "b")

    after = Way(_read_again(before.workflow), executions=before.executions)

    assert not after.move()
    assert undo_step(after.workflow, "b") == waiting
    assert after.finish().undone == ["b", "a"]
    assert [each.spec.attempt for each in after.created] == [2, 1]


def test_somebody_looks_again_when_a_retry_is_due() -> None:
    way = Way(failed_diamond(), outcome=twice).go()

    due = trigger.next_look(way.workflow, by_name(*way.executions), bounds=Bounds())

    assert due == undo_step(way.workflow, "b").next_attempt_time
    way.finish()
    assert trigger.next_look(way.workflow, {}, bounds=Bounds()) is None
    assert rollback_of(way.workflow).completion_time == way.now


def _read_again(workflow: WorkflowExecution) -> WorkflowExecution:
    """Return the workflow as another process reads it."""
    stored = msgspec.json.encode(workflow)
    return at(msgspec.json.decode(stored, type=WorkflowExecution), workflow.status)
