"""spec.rollbackTo: accepted, or refused with the field and the reason until it is corrected."""

import msgspec
import pytest

from services.orchestrator.core.decide import decide
from shared.api.enums import Control, Phase, RollbackPhase, RollbackType, StepPhase
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import ControlStatus, Rollback
from shared.workflow.phases import derive
from tests.support.builders import NOW, diamond, make_workflow, planned, with_steps


def asking(
    workflow: WorkflowExecution, verb: Control | None, to: str | None = None
) -> WorkflowExecution:
    """Return the workflow after a person's patch and one look of the orchestrator."""
    spec = msgspec.structs.replace(workflow.spec, control=verb, rollback_to=to)
    generation = workflow.metadata.generation + 1
    meta = msgspec.structs.replace(workflow.metadata, generation=generation)
    asked = msgspec.structs.replace(workflow, spec=spec, metadata=meta)
    status = decide(asked, {}, now=NOW, limit=5)
    if status is None:
        return asked
    return msgspec.structs.replace(asked, status=derive(asked, status, now=NOW))


def half_way() -> WorkflowExecution:
    """Return a diamond whose first step is done, and whose second and third run."""
    workflow = with_steps(planned(make_workflow(diamond())), {"a": StepPhase.COMPLETED})
    status = decide(workflow, {}, now=NOW, limit=5)
    assert status is not None
    return msgspec.structs.replace(workflow, status=status)


def begun(phase: RollbackPhase, to: str = "") -> WorkflowExecution:
    """Return a diamond that failed after its first step, with a rollback in some phase."""
    phases = {"a": StepPhase.COMPLETED, "b": StepPhase.FAILED}
    phases |= dict.fromkeys("cd", StepPhase.SKIPPED)
    workflow = with_steps(planned(make_workflow(diamond())), phases)
    waits = phase is RollbackPhase.AWAITING_TRIGGER
    for each in [phase] if waits else [RollbackPhase.RUNNING, phase]:
        rollback = Rollback(phase=each, strategy=RollbackType.AUTOMATIC, to=to)
        status = msgspec.structs.replace(workflow.status, rollback=rollback)
        workflow = msgspec.structs.replace(workflow, status=derive(workflow, status, now=NOW))
    return workflow


def answer(workflow: WorkflowExecution) -> ControlStatus:
    assert workflow.status.control is not None
    return workflow.status.control


def test_a_completed_step_is_accepted_and_the_workflow_ends() -> None:
    asked = asking(half_way(), Control.ROLLBACK, "a")

    assert answer(asked).accepted
    assert (answer(asked).stop, answer(asked).back_to) == (Control.ROLLBACK, "a")


@pytest.mark.parametrize(
    ("to", "reason", "told"),
    [
        ("ghost", "UnknownStep", "ghost is no step of this workflow; there are: a, b, c, d"),
        ("b", "StepNotCompleted", "step b is Running, not Completed; completed are: a"),
        ("d", "StepNotCompleted", "step d is Pending, not Completed; completed are: a"),
    ],
)
def test_another_is_refused_and_the_workflow_goes_on(to: str, reason: str, told: str) -> None:
    before = half_way()

    asked = asking(before, Control.ROLLBACK, to)

    assert (answer(asked).accepted, answer(asked).reason) == (False, reason)
    assert answer(asked).message == f"spec.rollbackTo: {told}"
    assert (answer(asked).stop, asked.status.phase) == (None, Phase.EXECUTING)
    assert (asked.status.tokens, asked.status.steps) == (before.status.tokens, before.status.steps)


def test_nothing_is_completed_before_there_is_a_plan() -> None:
    asked = asking(make_workflow(diamond()), Control.ROLLBACK, "a")

    assert (answer(asked).accepted, answer(asked).reason) == (False, "StepNotCompleted")
    assert "completed are: none yet" in answer(asked).message


def test_what_was_refused_may_be_corrected_and_stays_refused_till_then() -> None:
    refused = asking(half_way(), Control.ROLLBACK, "ghost")
    assert decide(refused, {}, now=NOW, limit=5) is None

    corrected = asking(refused, Control.ROLLBACK, "a")

    assert answer(corrected).accepted
    assert answer(corrected).back_to == "a"


def test_until_it_begins_the_step_may_change() -> None:
    first = asking(half_way(), Control.ROLLBACK, "a")

    assert answer(asking(first, Control.ROLLBACK)).back_to == ""
    assert answer(asking(first, Control.ROLLBACK, "ghost")).back_to == "a"
    assert answer(asking(first, Control.ROLLBACK, "ghost")).stop is Control.ROLLBACK


@pytest.mark.parametrize(
    ("phase", "reason"),
    [
        (RollbackPhase.RUNNING, "RollbackRunning"),
        (RollbackPhase.COMPLETED, "AlreadyEnded"),
        (RollbackPhase.FAILED, "AlreadyEnded"),
    ],
)
def test_one_that_has_begun_goes_where_it_was_sent(phase: RollbackPhase, reason: str) -> None:
    assert answer(asking(begun(phase), Control.ROLLBACK, "a")).reason == reason
    assert answer(asking(begun(phase, "a"), Control.ROLLBACK)).reason == reason
    assert answer(asking(begun(phase, "a"), Control.ROLLBACK, "a")).accepted


def test_a_degraded_workflow_is_told_as_well() -> None:
    waiting = begun(RollbackPhase.AWAITING_TRIGGER)

    refused = asking(waiting, Control.ROLLBACK, "b")

    assert waiting.status.phase is Phase.DEGRADED
    assert answer(refused).reason == "StepNotCompleted"
    assert answer(asking(refused, Control.ROLLBACK, "a")).accepted


def test_row_18_a_rollback_follows_a_cancel_that_has_not_ended() -> None:
    cancelled = asking(half_way(), Control.CANCEL)

    asked = asking(cancelled, Control.ROLLBACK, "a")

    assert answer(asked).accepted
    assert (answer(asked).stop, answer(asked).back_to) == (Control.ROLLBACK, "a")
