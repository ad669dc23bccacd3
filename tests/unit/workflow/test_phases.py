"""Phase and conditions follow from the slices, and only legal moves can be written."""

from itertools import product
from typing import Final

import msgspec
import pytest

from shared.api.enums import TERMINAL_PHASES, Phase, RollbackPhase, RollbackType, StepPhase
from shared.api.workflow_status import Approval, Rollback, Token, ValidationResults
from shared.workflow.phases import IllegalTransitionError, derive, phase_of
from shared.workflow.transitions import is_legal
from tests.support.builders import NOW, diamond, make_workflow, planned, with_steps

REQUIRED: Final = """
    Pending          -> Planning Cancelled
    Planning         -> AwaitingApproval Executing Failed Cancelled
    AwaitingApproval -> Executing Failed Cancelled
    Executing        -> AwaitingApproval Paused Completed RollingBack Degraded Failed Cancelled
    Paused           -> Executing Cancelled
    RollingBack      -> RolledBack RollbackFailed
    Degraded         -> RollingBack Executing
"""
"""Requirements C1, and the way on from Degraded that a person's retry takes (ADR 0016)."""
IN_ONE_WRITE: Final = """
    Pending          -> AwaitingApproval Executing Failed Paused
    Planning         -> Paused
    Paused           -> AwaitingApproval Completed Degraded
    AwaitingApproval -> Paused Completed Degraded
    Degraded         -> AwaitingApproval
"""
"""Two moves of which nobody sees what is between."""


def _pairs(table: str) -> set[tuple[Phase, Phase]]:
    rows = [line.split("->") for line in table.strip().splitlines()]
    return {(Phase(before.strip()), Phase(after)) for before, row in rows for after in row.split()}


@pytest.mark.parametrize(("before", "after"), list(product(Phase, Phase)))
def test_only_tabled_moves_are_legal(before: Phase, after: Phase) -> None:
    expected = before is after or (before, after) in _pairs(REQUIRED) | _pairs(IN_ONE_WRITE)

    assert is_legal(before, after) is expected


@pytest.mark.parametrize(("before", "after"), sorted(_pairs(IN_ONE_WRITE)))
def test_what_one_write_may_pass_through_is_made_of_required_moves(
    before: Phase, after: Phase
) -> None:
    between = {middle for first, middle in _pairs(REQUIRED) if first is before}
    # A plan that is there at once, into a pause that was asked for before.
    between |= {middle for each in between for first, middle in _pairs(REQUIRED) if first is each}

    assert after in {last for first, last in _pairs(REQUIRED) if first in between}


def test_only_degraded_leaves_a_terminal_phase() -> None:
    ways_out = {
        (before, after)
        for before, after in product(TERMINAL_PHASES, Phase)
        if before is not after and is_legal(before, after)
    }

    assert {before for before, _ in ways_out} == {Phase.DEGRADED}
    assert {after for _, after in ways_out} == {
        Phase.ROLLING_BACK,
        Phase.EXECUTING,
        Phase.AWAITING_APPROVAL,
    }


def test_a_new_workflow_is_pending() -> None:
    assert phase_of(make_workflow(diamond())) is Phase.PENDING


def test_complete_turns_true_on_failure_too() -> None:
    workflow = make_workflow(diamond())
    refused = msgspec.structs.replace(
        workflow.status,
        planning_start_time=NOW,
        validation_results=ValidationResults(
            validation_errors=["spec.x: EmptySteps: there is nothing to do"]
        ),
    )

    status = derive(workflow, refused, now=NOW)

    conditions = {c.type: c for c in status.conditions}
    assert status.phase is Phase.FAILED
    assert status.reason == "EmptySteps"
    assert conditions["Complete"].status == "True"
    assert conditions["Succeeded"].status == "False"
    assert conditions["ValidationFailed"].message.startswith("spec.x")


def test_completed_waits_for_the_last_token() -> None:
    workflow = with_steps(
        planned(make_workflow(diamond())), dict.fromkeys("abcd", StepPhase.COMPLETED)
    )
    token = Token(attempt=1, fence=1, granted_at=NOW)
    held = msgspec.structs.replace(
        workflow.status, execution_complete_time=NOW, tokens={"d": token}
    )

    assert derive(workflow, held, now=NOW).phase is Phase.EXECUTING
    released = msgspec.structs.replace(held, tokens={})
    assert derive(workflow, released, now=NOW).phase is Phase.COMPLETED


def test_a_plan_of_which_nothing_is_left_is_completed_by_its_approval() -> None:
    workflow = with_steps(
        planned(make_workflow(diamond())), dict.fromkeys("abcd", StepPhase.COMPLETED)
    )
    asked = msgspec.structs.replace(
        workflow.status, execution_complete_time=NOW, approval=Approval(required=True)
    )
    waiting = msgspec.structs.replace(workflow, status=derive(workflow, asked, now=NOW))
    approval = Approval(required=True, decision="Approved", decided_by="bob")
    approved = msgspec.structs.replace(waiting.status, approval=approval)

    assert waiting.status.phase is Phase.AWAITING_APPROVAL
    assert derive(waiting, approved, now=NOW).phase is Phase.COMPLETED


def test_an_unreachable_phase_is_refused() -> None:
    workflow = planned(make_workflow(diamond()))
    done = msgspec.structs.replace(workflow.status, phase=Phase.COMPLETED)
    rollback = Rollback(phase=RollbackPhase.RUNNING, strategy=RollbackType.AUTOMATIC)

    with pytest.raises(IllegalTransitionError):
        derive(
            msgspec.structs.replace(workflow, status=done),
            msgspec.structs.replace(done, rollback=rollback),
            now=NOW,
        )


def test_the_same_facts_keep_their_transition_time() -> None:
    workflow = planned(make_workflow(diamond()))
    first = derive(workflow, workflow.status, now=NOW)

    later = NOW.replace(year=2027)
    again = derive(msgspec.structs.replace(workflow, status=first), first, now=later)

    assert again == first
