"""Why nothing new may start in a workflow, and what that does to what runs."""

from collections.abc import Mapping

import msgspec
import pytest

from shared.api.enums import Control, OnInFlight, SecondaryMode, StepPhase, StepReason
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import ExecutionStrategy, Secondary, Step
from shared.api.workflow_status import Approval, ControlStatus
from shared.workflow.stopping import (
    cancels_in_flight,
    critical_failure,
    is_cancelled,
    may_start,
    stop_reason,
)
from tests.support.builders import NOW, diamond, make_workflow, planned, scale_step, with_steps

DONE, FAILED = StepPhase.COMPLETED, StepPhase.FAILED


def _workflow(
    steps: list[Step], phases: Mapping[str, StepPhase], **status: object
) -> WorkflowExecution:
    workflow = with_steps(planned(make_workflow(steps)), phases)
    changed = msgspec.structs.replace(workflow.status, **status)
    return msgspec.structs.replace(workflow, status=changed)


def test_row_41_the_first_failure_in_plan_order_is_the_one_that_is_named() -> None:
    steps = [scale_step("late", needs=["early"]), scale_step("early")]
    workflow = _workflow(steps, {"late": FAILED, "early": FAILED})

    failed = critical_failure(workflow)

    assert failed is not None
    assert failed.name == "early"


def test_the_failure_that_was_written_down_stays_the_one_that_is_named() -> None:
    workflow = _workflow(
        [scale_step("a"), scale_step("b")], {"a": FAILED, "b": FAILED}, failed_step="b"
    )

    failed = critical_failure(workflow)

    assert failed is not None
    assert failed.name == "b"


def test_a_tolerated_failure_stops_nothing() -> None:
    steps = [scale_step("a", critical=False), scale_step("b")]

    assert stop_reason(_workflow(steps, {"a": FAILED})) is None
    assert stop_reason(_workflow(steps, {"b": FAILED})) is StepReason.WORKFLOW_FAILED


@pytest.mark.parametrize(("fallback", "critical"), [(DONE, False), (FAILED, True)])
def test_a_failure_counts_once_its_fallback_has_failed_too(
    fallback: StepPhase, critical: bool
) -> None:
    relation = Secondary(primary="a", mode=SecondaryMode.IF_PRIMARY_FAILS)
    steps = [scale_step("a"), msgspec.structs.replace(scale_step("b"), secondary=relation)]

    failed = critical_failure(_workflow(steps, {"a": FAILED, "b": fallback}))

    assert (failed is not None and failed.name == "a") is critical


@pytest.mark.parametrize("verb", [Control.CANCEL, Control.ROLLBACK])
def test_a_persons_stop_comes_before_every_other_reason(verb: Control) -> None:
    workflow = _workflow(
        diamond(), {"a": FAILED}, control=ControlStatus(stop=verb), timed_out_at=NOW
    )

    assert stop_reason(workflow) is StepReason.CANCELLED
    assert is_cancelled(workflow) is (verb is Control.CANCEL)


@pytest.mark.parametrize(
    ("decision", "reason"),
    [
        ("Rejected", StepReason.APPROVAL_REJECTED),
        ("Expired", StepReason.APPROVAL_EXPIRED),
        ("Approved", None),
        ("", None),
    ],
)
def test_a_refused_approval_stops(decision: str, reason: StepReason | None) -> None:
    approval = Approval(required=True, decision=decision)

    assert stop_reason(_workflow(diamond(), {}, approval=approval)) is reason


def test_time_that_is_up_stops() -> None:
    assert stop_reason(_workflow(diamond(), {}, timed_out_at=NOW)) is StepReason.TIMED_OUT


def test_a_held_workflow_starts_nothing_and_is_not_stopped() -> None:
    paused = _workflow(diamond(), {}, control=ControlStatus(paused=True))
    asking = _workflow(diamond(), {}, approval=Approval(required=True))

    assert may_start(_workflow(diamond(), {}))
    for held in (paused, asking):
        assert stop_reason(held) is None
        assert not may_start(held)


@pytest.mark.parametrize("wanted", sorted(OnInFlight))
def test_what_runs_is_ended_only_if_asked_for_and_only_after_a_stop(wanted: OnInFlight) -> None:
    strategy = ExecutionStrategy(on_in_flight=wanted)
    going = planned(make_workflow(diamond(), strategy=strategy))

    assert not cancels_in_flight(going)
    failed = with_steps(going, {"a": FAILED})
    assert cancels_in_flight(failed) is (wanted is OnInFlight.CANCEL)
