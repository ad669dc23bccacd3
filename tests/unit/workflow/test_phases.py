"""Phase and conditions follow from the slices, and only legal moves can be written."""

from itertools import product

import msgspec
import pytest

from shared.api.enums import TERMINAL_PHASES, Phase, RollbackPhase, RollbackType, StepPhase
from shared.api.workflow_status import Rollback, Token, ValidationResults
from shared.workflow.phases import IllegalTransitionError, derive, phase_of
from shared.workflow.transitions import LEGAL, THROUGH, is_legal
from tests.support.builders import NOW, diamond, make_workflow, planned, with_steps


@pytest.mark.parametrize(("before", "after"), list(product(Phase, Phase)))
def test_only_tabled_moves_are_legal(before: Phase, after: Phase) -> None:
    unseen = after in THROUGH.get(before, frozenset())
    expected = before is after or after in LEGAL[before] or unseen

    assert is_legal(before, after) is expected


def test_only_degraded_leaves_a_terminal_phase() -> None:
    assert {phase for phase in TERMINAL_PHASES if LEGAL[phase]} == {Phase.DEGRADED}


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
