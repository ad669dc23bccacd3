"""What a workflow says of its end, for people."""

import msgspec
import pytest

from shared.api.enums import ErrorType, Phase, RollbackPhase, RollbackType, StepPhase
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import Rollback
from shared.workflow.explaining import explain
from tests.support.builders import make_workflow, planned, scale_step


def failed(rollback: Rollback) -> WorkflowExecution:
    workflow = planned(make_workflow([scale_step("a")]))
    (step,) = workflow.status.steps
    told = msgspec.structs.replace(
        step, phase=StepPhase.FAILED, message="no", error_type=ErrorType.POLICY_DENIED
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
