"""When the way back begins, and by whose will."""

import msgspec
import pytest

from services.rollback.core import trigger
from shared.api.enums import (
    Control,
    Phase,
    RollbackPhase,
    RollbackType,
    StepPhase,
    StepReason,
)
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import Approval, ControlStatus
from tests.support.builders import NOW, by_name, with_steps
from tests.support.undoing import Way, asked, at, failed_diamond, rollback_of, running

MANUAL, AUTOMATIC, NONE = RollbackType.MANUAL, RollbackType.AUTOMATIC, RollbackType.NONE


def stopped(workflow: WorkflowExecution, verb: Control) -> WorkflowExecution:
    """Return the workflow whose orchestrator took up a verb that ends it."""
    control = ControlStatus(verb=verb, stop=verb)
    return at(workflow, msgspec.structs.replace(workflow.status, control=control))


def with_reason(workflow: WorkflowExecution, reason: StepReason | None) -> WorkflowExecution:
    """Return the workflow whose step d failed for a reason."""
    steps = [
        msgspec.structs.replace(step, reason=reason) if step.name == "d" else step
        for step in workflow.status.steps
    ]
    return at(workflow, msgspec.structs.replace(workflow.status, steps=steps))


def sent_forward(workflow: WorkflowExecution) -> WorkflowExecution:
    """Return a Degraded workflow whose failed step is to be tried again."""
    again = with_steps(with_reason(workflow, None), {"d": StepPhase.PENDING})
    retried = msgspec.structs.replace(again.status, execution_complete_time=None)
    return at(workflow, retried)


def ended_again(workflow: WorkflowExecution) -> WorkflowExecution:
    """Return that workflow after its step has failed once more."""
    failed = with_steps(workflow, {"d": StepPhase.FAILED}).status
    return at(workflow, msgspec.structs.replace(failed, execution_complete_time=NOW))


@pytest.mark.parametrize(
    ("strategy", "phase", "rollback"),
    [
        (NONE, Phase.FAILED, RollbackPhase.NOT_REQUESTED),
        (MANUAL, Phase.DEGRADED, RollbackPhase.AWAITING_TRIGGER),
    ],
)
def test_other_strategies_undo_nothing(
    strategy: RollbackType, phase: Phase, rollback: RollbackPhase
) -> None:
    way = Way(failed_diamond(strategy)).go()

    assert way.created == []
    assert way.workflow.status.phase is phase
    assert rollback_of(way.workflow).phase is rollback
    assert not trigger.may_move(way.workflow)


def test_row_64_a_person_starts_a_manual_rollback_once() -> None:
    degraded = Way(failed_diamond(MANUAL)).go().workflow

    way = Way(asked(degraded, Control.ROLLBACK)).go()

    assert (way.workflow.status.phase, way.undone) == (Phase.ROLLED_BACK, ["c", "b", "a"])
    assert not trigger.may_move(way.workflow)
    assert not trigger.may_move(asked(asked(way.workflow, None), Control.ROLLBACK))


def test_row_65_a_failed_workflow_is_not_rolled_back_later() -> None:
    failed = Way(failed_diamond(NONE)).go().workflow

    assert not trigger.may_move(asked(failed, Control.ROLLBACK))


@pytest.mark.parametrize("strategy", RollbackType)
def test_what_a_person_asked_for_goes_before_the_strategy(strategy: RollbackType) -> None:
    way = Way(stopped(failed_diamond(strategy), Control.ROLLBACK)).go()

    assert way.undone == ["c", "b", "a"]
    assert way.workflow.status.phase is Phase.ROLLED_BACK
    assert way.workflow.status.reason == "RollbackRequested"


@pytest.mark.parametrize("strategy", RollbackType)
def test_a_cancelled_workflow_is_not_undone(strategy: RollbackType) -> None:
    workflow = stopped(failed_diamond(strategy), Control.CANCEL)

    assert not trigger.may_move(workflow)
    assert trigger.decide(workflow, {}, now=NOW) is None


@pytest.mark.parametrize(
    ("strategy", "phase"),
    [(AUTOMATIC, Phase.ROLLED_BACK), (MANUAL, Phase.DEGRADED), (NONE, Phase.FAILED)],
)
def test_time_that_is_up_and_a_denied_approval_count_as_failures(
    strategy: RollbackType, phase: Phase
) -> None:
    workflow = with_steps(failed_diamond(strategy), {"d": StepPhase.SKIPPED})
    late = msgspec.structs.replace(workflow.status, timed_out_at=NOW)
    denied = msgspec.structs.replace(
        workflow.status, approval=Approval(required=True, decision="Rejected", decided_by="bob")
    )

    for status in (late, denied):
        way = Way(msgspec.structs.replace(workflow, status=status)).go()
        assert way.workflow.status.phase is phase


@pytest.mark.parametrize("strategy", RollbackType)
def test_a_step_that_could_not_be_created_leaves_it_to_people(strategy: RollbackType) -> None:
    workflow = with_reason(failed_diamond(strategy), StepReason.EXECUTION_CREATION_ERROR)

    way = Way(workflow).go()

    assert way.created == []
    assert way.workflow.status.phase is Phase.DEGRADED
    assert not trigger.may_move(way.workflow)
    back = Way(asked(way.workflow, Control.ROLLBACK)).go()
    assert back.workflow.status.phase is Phase.ROLLED_BACK


def test_nothing_moves_while_a_workflow_goes_forward_again() -> None:
    degraded = Way(failed_diamond(MANUAL)).go().workflow

    again = sent_forward(degraded)

    assert again.status.phase is Phase.EXECUTING
    assert not trigger.may_move(again)
    assert not trigger.may_move(asked(again, Control.ROLLBACK))


@pytest.mark.parametrize(("strategy", "phase"), [(MANUAL, Phase.DEGRADED), (NONE, Phase.DEGRADED)])
def test_who_was_sent_forward_and_failed_again_waits_again(
    strategy: RollbackType, phase: Phase
) -> None:
    uncreated = with_reason(failed_diamond(strategy), StepReason.EXECUTION_CREATION_ERROR)
    degraded = Way(uncreated).go().workflow

    way = Way(ended_again(sent_forward(degraded))).go()

    assert way.workflow.status.phase is phase
    assert way.created == []
    assert Way(asked(way.workflow, Control.ROLLBACK)).go().undone == ["c", "b", "a"]


def test_an_automatic_one_that_was_sent_forward_and_fails_is_undone() -> None:
    uncreated = with_reason(failed_diamond(AUTOMATIC), StepReason.EXECUTION_CREATION_ERROR)
    degraded = Way(uncreated).go().workflow

    way = Way(ended_again(sent_forward(degraded))).go()

    assert way.workflow.status.phase is Phase.ROLLED_BACK
    assert way.undone == ["c", "b", "a"]


def test_a_rollback_asked_for_on_the_way_forward_again_begins_at_its_end() -> None:
    degraded = Way(failed_diamond(MANUAL)).go().workflow
    again = stopped(sent_forward(degraded), Control.ROLLBACK)

    ended = ended_again(again)
    way = Way(ended).go()

    assert ended.status.phase is Phase.EXECUTING
    assert way.workflow.status.phase is Phase.ROLLED_BACK


def test_a_cancel_on_the_way_forward_again_undoes_nothing() -> None:
    degraded = Way(failed_diamond(MANUAL)).go().workflow
    again = stopped(sent_forward(degraded), Control.CANCEL)

    way = Way(ended_again(again)).go()

    assert way.created == []
    assert way.workflow.status.phase is Phase.CANCELLED


def test_row_18_a_cancel_during_the_way_back_does_not_end_it() -> None:
    workflow = failed_diamond(AUTOMATIC)
    way = Way(workflow)
    way.move()

    way.workflow = asked(way.workflow, Control.CANCEL)
    way.go()

    assert way.workflow.status.phase is Phase.ROLLED_BACK
    assert way.undone == ["c", "b", "a"]


def test_row_68_a_restart_goes_on_with_the_undo_that_was_granted() -> None:
    workflow = failed_diamond(AUTOMATIC)
    granted = running(workflow, Way(workflow).executions)

    way = Way(granted)
    wanted = trigger.wanted_execution(granted, by_name(*way.executions))

    assert wanted is not None
    assert (wanted.spec.step_name, wanted.spec.attempt) == ("c", 1)
