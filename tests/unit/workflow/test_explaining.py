"""What a workflow says of its end, for people."""

import msgspec
import pytest

from shared.api.enums import (
    ErrorType,
    Phase,
    RollbackPhase,
    RollbackStepPhase,
    RollbackType,
    StepPhase,
)
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import Rollback, RollbackStep
from shared.workflow.explaining import explain
from shared.workflow.undone import summary
from tests.support.builders import make_workflow, planned, scale_step


def failed(rollback: Rollback, message: str = "no") -> WorkflowExecution:
    workflow = planned(make_workflow([scale_step("a")]))
    (step,) = workflow.status.steps
    told = msgspec.structs.replace(
        step, phase=StepPhase.FAILED, message=message, error_type=ErrorType.POLICY_DENIED
    )
    status = msgspec.structs.replace(workflow.status, steps=[told], rollback=rollback)
    return msgspec.structs.replace(workflow, status=status)


@pytest.mark.parametrize(
    ("strategy", "phase", "said"),
    [
        (RollbackType.NONE, RollbackPhase.NOT_REQUESTED, "step a failed: no"),
        (RollbackType.AUTOMATIC, RollbackPhase.COMPLETED, "step a failed: no; nothing to undo"),
    ],
)
def test_steps_are_not_counted_where_none_was_to_be_undone(
    strategy: RollbackType, phase: RollbackPhase, said: str
) -> None:
    workflow = failed(Rollback(phase=phase, strategy=strategy))

    assert explain(workflow, Phase.FAILED) == ("StepFailed", said)


def undone(*names: str) -> Rollback:
    """Return a way back that skipped these steps, since they cannot be undone."""
    steps = [
        RollbackStep(name=name, phase=RollbackStepPhase.SKIPPED, reason="Irreversible")
        for name in names
    ]
    return Rollback(phase=RollbackPhase.COMPLETED, strategy=RollbackType.AUTOMATIC, steps=steps)


def test_row_69_a_long_cause_makes_room_for_what_was_not_undone() -> None:
    workflow = failed(undone("restart-web", "bounce"), message="x" * 256)

    _, said = explain(workflow, Phase.ROLLED_BACK)

    assert said.startswith("step a failed: xxx")
    assert said.endswith("; 0 of 2 steps undone; skipped: irreversible: restart-web, bounce")
    assert len(said) == 256


def test_row_69_a_summary_names_what_there_is_room_for_and_shows_that_it_was_cut() -> None:
    names = [f"step-{n:034}" for n in range(12)]

    whole, short = (summary(undone(*names), limit=limit) for limit in (1024, 256))

    assert all(name in whole for name in names)
    assert (len(short), short[-1]) == (256, "…")
