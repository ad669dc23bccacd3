"""No undo and no way back takes for ever; time is handed in."""

from datetime import datetime, timedelta

import msgspec
import pytest

from services.rollback.core import trigger
from services.rollback.core.bounds import GRACE, Bounds
from shared.api.enums import (
    ErrorType,
    ExecutionKind,
    ExecutionPhase,
    Phase,
    RollbackStepPhase,
)
from shared.api.execution import KubernetesExecution
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import StepRollback
from tests.support.builders import NOW, by_name, execution_of, scale_step
from tests.support.undoing import (
    Way,
    at,
    failed_after,
    failed_diamond,
    forward,
    rollback_of,
    running,
    undo_step,
)

BOUNDS = Bounds(step=timedelta(minutes=5), whole=timedelta(minutes=15))
LATE = NOW + timedelta(minutes=5) + GRACE
FAILED, RUNNING = RollbackStepPhase.FAILED, RollbackStepPhase.RUNNING
MOMENT = timedelta(milliseconds=1)


def in_flight(workflow: WorkflowExecution, *, claimed: bool) -> KubernetesExecution:
    """Return the execution of the first undo, which has not ended."""
    phase = ExecutionPhase.RUNNING if claimed else ExecutionPhase.PENDING
    return execution_of(workflow, "c", phase=phase, kind=ExecutionKind.ROLLBACK, claimed=claimed)


def decided(
    workflow: WorkflowExecution, executions: list[KubernetesExecution], now: datetime
) -> WorkflowExecution | None:
    status = trigger.decide(workflow, by_name(*executions), now=now, bounds=BOUNDS)
    return at(workflow, status, now=now) if status else None


def begun() -> tuple[WorkflowExecution, list[KubernetesExecution]]:
    workflow = failed_diamond()
    executions = forward(workflow)
    return running(workflow, executions), executions


@pytest.mark.parametrize(
    ("own", "given"),
    [("42s", "42s"), ("5m", "5m"), ("14m", "300.000s"), (None, "5m")],
)
def test_an_undo_gets_its_own_time_up_to_five_minutes(own: str | None, given: str) -> None:
    step = scale_step("a")
    explicit = StepRollback(action=step.action, parameters=step.parameters, timeout=own)

    way = Way(failed_after(msgspec.structs.replace(step, rollback=explicit)), bounds=BOUNDS).go()

    assert [each.spec.timeout for each in way.created] == [given]


def test_row_67_an_undo_without_result_fails_after_its_time_and_a_grace() -> None:
    workflow, executions = begun()
    executions.append(in_flight(workflow, claimed=True))

    assert decided(workflow, executions, LATE - MOMENT) is None
    after = decided(workflow, executions, LATE)

    assert after is not None
    step = undo_step(after, "c")
    assert (step.phase, step.reason) == (FAILED, "TimedOut")
    assert step.message == "no result within 5m, and none since; executor-0 holds it"
    assert undo_step(after, "b").phase is RUNNING


def test_time_runs_from_the_claim_for_who_had_to_wait_for_a_target() -> None:
    workflow, executions = begun()
    claimed = in_flight(workflow, claimed=True)
    late = msgspec.structs.replace(claimed.status, start_time=NOW + timedelta(minutes=4))
    executions.append(msgspec.structs.replace(claimed, status=late))

    assert decided(workflow, executions, LATE) is None
    assert decided(workflow, executions, LATE + timedelta(minutes=4)) is not None


def test_an_undo_that_nobody_takes_up_is_cancelled_before_it_fails() -> None:
    workflow, executions = begun()
    unclaimed = in_flight(workflow, claimed=False)
    executions.append(unclaimed)

    def late(now: datetime) -> KubernetesExecution | None:
        return trigger.overdue_unclaimed(workflow, by_name(*executions), now=now, bounds=BOUNDS)

    assert late(LATE - MOMENT) is None
    assert late(LATE) == unclaimed
    assert decided(workflow, executions, LATE) is None

    status = msgspec.structs.replace(unclaimed.status, phase=ExecutionPhase.CANCELLED)
    executions[-1] = msgspec.structs.replace(unclaimed, status=status)
    after = decided(workflow, executions, LATE)
    assert after is not None
    assert (undo_step(after, "c").phase, undo_step(after, "c").reason) == (FAILED, "TimedOut")
    assert late(LATE) is None


def test_who_is_claimed_is_not_cancelled() -> None:
    workflow, executions = begun()
    executions.append(in_flight(workflow, claimed=True))

    found = trigger.overdue_unclaimed(workflow, by_name(*executions), now=LATE, bounds=BOUNDS)

    assert found is None


def test_an_undo_whose_execution_cannot_be_created_fails_in_time() -> None:
    workflow, executions = begun()

    assert decided(workflow, executions, LATE - MOMENT) is None
    after = decided(workflow, executions, LATE)

    assert after is not None
    assert undo_step(after, "c").reason == "TimedOut"


def test_row_67_the_whole_way_back_has_fifteen_minutes() -> None:
    def fails(step: str, attempt: int) -> ErrorType | None:
        del attempt
        return ErrorType.TIMEOUT if step == "b" else None

    way = Way(failed_diamond(), outcome=fails, bounds=BOUNDS).go()
    assert undo_step(way.workflow, "b").next_attempt_time is not None
    way.now = NOW + timedelta(minutes=15)
    way.go()

    reasons = {step.name: step.reason for step in rollback_of(way.workflow).steps}
    assert way.workflow.status.phase is Phase.ROLLBACK_FAILED
    assert way.undone == ["c", "b"]
    assert (reasons["a"], reasons["b"]) == ("TimedOut", "TimedOut")
    assert undo_step(way.workflow, "a").message == (
        "not undone: the 900s of the whole rollback were up"
    )
    assert "try 1 went wrong" in undo_step(way.workflow, "b").message
    assert "2 undo failed: b, a" in way.workflow.status.message


def test_a_try_in_flight_may_end_when_the_whole_time_is_up() -> None:
    workflow, executions = begun()
    claimed = in_flight(workflow, claimed=True)
    end = NOW + timedelta(minutes=15)
    status = msgspec.structs.replace(claimed.status, start_time=end - timedelta(minutes=1))
    executions.append(msgspec.structs.replace(claimed, status=status))

    after = decided(workflow, executions, end)

    assert after is not None
    assert after.status.phase is Phase.ROLLING_BACK
    assert undo_step(after, "c").phase is RUNNING
    assert (undo_step(after, "a").phase, undo_step(after, "b").phase) == (FAILED, FAILED)


def test_a_deadline_of_the_workflow_shortens_the_way_back() -> None:
    workflow = failed_diamond()
    spec = msgspec.structs.replace(workflow.spec, deadline="40s")
    workflow = msgspec.structs.replace(workflow, spec=spec)
    executions = forward(workflow)
    workflow = running(workflow, executions)
    executions.append(in_flight(workflow, claimed=True))

    before = decided(workflow, executions, NOW + timedelta(seconds=39))
    after = decided(workflow, executions, NOW + timedelta(seconds=40))

    assert before is None
    assert after is not None
    assert undo_step(after, "a").reason == "TimedOut"


def test_somebody_looks_again_when_time_is_up() -> None:
    workflow, executions = begun()

    def next_look() -> datetime | None:
        return trigger.next_look(workflow, by_name(*executions), bounds=BOUNDS)

    assert next_look() == LATE
    claimed = in_flight(workflow, claimed=True)
    later = NOW + timedelta(minutes=14)
    status = msgspec.structs.replace(claimed.status, start_time=later)
    executions.append(msgspec.structs.replace(claimed, status=status))
    assert next_look() == NOW + timedelta(minutes=15)


def test_without_bounds_nothing_is_late() -> None:
    workflow, executions = begun()
    executions.append(in_flight(workflow, claimed=True))
    far = NOW + timedelta(days=365)

    assert trigger.decide(workflow, by_name(*executions), now=far) is None
    assert trigger.next_look(workflow, by_name(*executions), bounds=Bounds()) is None
