"""An undo whose execution somebody deleted, or of which nobody knows what it did."""

from datetime import timedelta

import msgspec
import pytest

from services.rollback.core import trigger
from services.rollback.core.bounds import Bounds
from shared.api.actions.jobs import Custom
from shared.api.enums import ErrorType, ExecutionKind, ExecutionPhase, Phase, RollbackStepPhase
from shared.api.execution import KubernetesExecution
from shared.api.parameters import DeletePod, Parameters
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import StepRollback
from tests.support.builders import NOW, by_name, execution_of, scale_step
from tests.support.undoing import at, failed_after, forward, running, undo, undo_step

FAILED, RUNNING, PENDING = (
    RollbackStepPhase.FAILED,
    RollbackStepPhase.RUNNING,
    RollbackStepPhase.PENDING,
)
JOB = StepRollback(action="custom", parameters=Parameters(custom=Custom(custom_command=["./undo"])))
DELETE = StepRollback(action="delete_pod", parameters=Parameters(delete_pod=DeletePod(pod="web-0")))
SCALE = StepRollback(action="scale_deployment", parameters=scale_step("x").parameters)
LATER = NOW + timedelta(milliseconds=500)


def going(rollback: StepRollback | None) -> tuple[WorkflowExecution, list[KubernetesExecution]]:
    """Return a workflow that undoes b, and then a, and the executions of both."""
    last = msgspec.structs.replace(scale_step("b"), rollback=rollback)
    workflow = failed_after(scale_step("a"), last)
    executions = forward(workflow)
    return running(workflow, executions), executions


def moved(
    workflow: WorkflowExecution, executions: list[KubernetesExecution], *, fresh: bool = True
) -> WorkflowExecution | None:
    bounds, known = Bounds(step=timedelta(minutes=5)), by_name(*executions)
    status = trigger.decide(workflow, known, now=LATER, bounds=bounds, fresh=fresh)
    return at(workflow, status, now=LATER) if status else None


def in_flight(
    workflow: WorkflowExecution, executions: list[KubernetesExecution]
) -> list[KubernetesExecution]:
    """Return all executions once somebody has claimed that of the undo."""
    wanted = trigger.wanted_execution(workflow, by_name(*executions))
    assert wanted is not None
    claimed = execution_of(
        workflow, "b", phase=ExecutionPhase.RUNNING, kind=ExecutionKind.ROLLBACK, claimed=True
    )
    return [*executions, msgspec.structs.replace(claimed, spec=wanted.spec)]


@pytest.mark.parametrize("rollback", [JOB, DELETE])
def test_what_cannot_be_compared_is_not_done_again(rollback: StepRollback) -> None:
    workflow, executions = going(rollback)
    seen = moved(workflow, in_flight(workflow, executions))
    assert seen is not None
    assert undo_step(seen, "b").phase is RUNNING
    assert moved(seen, in_flight(seen, executions)) is None
    assert moved(seen, executions, fresh=False) is None

    after = moved(seen, executions)

    assert after is not None
    lost = undo_step(after, "b")
    assert (lost.phase, lost.reason) == (FAILED, "Unknown")
    assert lost.message == "its execution was deleted, and nobody knows what it did"
    assert undo_step(after, "a").phase is RUNNING


@pytest.mark.parametrize("rollback", [JOB, DELETE])
def test_what_nobody_ever_saw_is_created_again(rollback: StepRollback) -> None:
    workflow, executions = going(rollback)

    assert moved(workflow, executions) is None
    wanted = trigger.wanted_execution(workflow, by_name(*executions))
    assert wanted is not None
    assert wanted.spec.step_name == "b"


@pytest.mark.parametrize("rollback", [None, SCALE])
def test_what_leaves_its_mark_is_created_again(rollback: StepRollback | None) -> None:
    workflow, executions = going(rollback)

    assert moved(workflow, in_flight(workflow, executions)) is None
    assert moved(workflow, executions) is None
    assert trigger.wanted_execution(workflow, by_name(*executions)) is not None


def test_who_lost_its_own_execution_and_the_state_before_does_not_wait_for_either() -> None:
    workflow, _ = going(None)

    after = moved(workflow, [])

    assert after is not None
    assert undo_step(after, "b").reason == "UndoDataMissing"
    assert after.status.phase is Phase.ROLLBACK_FAILED


@pytest.mark.parametrize(
    ("rollback", "reason", "phase"),
    [
        (JOB, "Unknown", FAILED),
        (JOB, "ActionFailed", PENDING),
        (None, "Unknown", PENDING),
    ],
)
def test_what_may_have_been_done_is_tried_again_only_where_that_can_be_seen(
    rollback: StepRollback | None, reason: str, phase: RollbackStepPhase
) -> None:
    workflow, executions = going(rollback)
    wanted = trigger.wanted_execution(workflow, by_name(*executions))
    assert wanted is not None
    ended = undo(workflow, "b", ErrorType.UNKNOWN_ERROR, reason=reason)
    ended = msgspec.structs.replace(ended, spec=wanted.spec)

    after = moved(workflow, [*executions, ended])

    assert after is not None
    assert undo_step(after, "b").phase is phase
