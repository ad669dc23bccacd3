"""How long a workflow and its way back may take, whatever the clock says."""

from datetime import datetime, timedelta

import msgspec
import pytest

from shared.api.enums import RollbackType
from shared.api.workflow import WorkflowExecution
from shared.workflow.budgets import forward_deadline, rollback_budget
from tests.support.builders import NOW, make_workflow, planned, scale_step

SMALL, MEDIUM, LARGE = timedelta(minutes=10), timedelta(minutes=20), timedelta(minutes=45)
QUARTER = timedelta(minutes=15)


def _started(
    count: int = 1,
    *,
    deadline: str | None = None,
    rollback: RollbackType = RollbackType.NONE,
    held_seconds: int = 0,
    held_since: datetime | None = None,
) -> WorkflowExecution:
    steps = [scale_step(f"s{number}") for number in range(count)]
    workflow = make_workflow(steps, rollback=rollback)
    spec = msgspec.structs.replace(workflow.spec, deadline=deadline)
    workflow = planned(msgspec.structs.replace(workflow, spec=spec))
    status = msgspec.structs.replace(
        workflow.status,
        execution_start_time=NOW,
        held_seconds=held_seconds,
        held_since=held_since,
    )
    return msgspec.structs.replace(workflow, status=status)


def _allowed(workflow: WorkflowExecution) -> timedelta | None:
    deadline = forward_deadline(workflow, small=SMALL, medium=MEDIUM, large=LARGE)
    return deadline - NOW if deadline else None


@pytest.mark.parametrize(
    ("count", "allowed"),
    [(1, SMALL), (3, SMALL), (4, MEDIUM), (10, MEDIUM), (11, LARGE), (30, LARGE)],
)
def test_row_57_the_time_of_a_workflow_follows_its_size(count: int, allowed: timedelta) -> None:
    assert _allowed(_started(count)) == allowed


def test_an_inserted_step_counts() -> None:
    workflow = _started(3)
    status = msgspec.structs.replace(workflow.status, total_steps=4)

    assert _allowed(msgspec.structs.replace(workflow, status=status)) == MEDIUM


def test_nothing_runs_out_before_the_first_grant_or_while_people_are_waited_for() -> None:
    fresh = planned(make_workflow([scale_step("a")]))

    assert _allowed(fresh) is None
    assert _allowed(_started(held_since=NOW)) is None


def test_time_held_for_people_is_given_back() -> None:
    assert _allowed(_started(held_seconds=90)) == SMALL + timedelta(seconds=90)


@pytest.mark.parametrize(
    ("deadline", "rollback", "allowed"),
    [
        ("8m", RollbackType.NONE, timedelta(minutes=8)),
        ("8m", RollbackType.MANUAL, timedelta(minutes=8)),
        ("8m", RollbackType.AUTOMATIC, timedelta(minutes=6)),
        ("3h", RollbackType.NONE, SMALL),
        ("12m", RollbackType.AUTOMATIC, timedelta(minutes=9)),
        ("99999999h", RollbackType.AUTOMATIC, SMALL),
        ("4s", RollbackType.AUTOMATIC, timedelta(seconds=3)),
    ],
)
def test_a_deadline_shortens_the_time_and_keeps_a_part_for_the_way_back(
    deadline: str, rollback: RollbackType, allowed: timedelta
) -> None:
    assert _allowed(_started(deadline=deadline, rollback=rollback)) == allowed


def test_the_reserve_has_an_upper_bound() -> None:
    workflow = _started(11, deadline="61m", rollback=RollbackType.AUTOMATIC)

    deadline = forward_deadline(workflow, small=SMALL, medium=MEDIUM, large=timedelta(hours=9))

    assert deadline == NOW + timedelta(minutes=61) - timedelta(minutes=15)


@pytest.mark.parametrize(
    ("deadline", "used", "budget"),
    [
        (None, timedelta(hours=2), QUARTER),
        ("10m", timedelta(minutes=1), timedelta(minutes=9)),
        ("10m", timedelta(minutes=9), timedelta(minutes=2.5)),
        ("10m", timedelta(days=1), timedelta(minutes=2.5)),
        ("2h", timedelta(minutes=30), QUARTER),
        ("99999999h", timedelta(minutes=30), QUARTER),
    ],
)
def test_the_way_back_has_what_is_left_or_at_least_its_reserve(
    deadline: str | None, used: timedelta, budget: timedelta
) -> None:
    workflow = _started(deadline=deadline, rollback=RollbackType.AUTOMATIC)

    assert rollback_budget(workflow, longest=QUARTER, now=NOW + used) == budget


def test_a_wait_for_people_does_not_shorten_the_way_back() -> None:
    workflow = _started(deadline="10m", held_seconds=3600)

    left = rollback_budget(workflow, longest=QUARTER, now=NOW + timedelta(minutes=61))

    assert left == timedelta(minutes=9)
