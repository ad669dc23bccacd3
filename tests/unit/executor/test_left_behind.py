"""A claim whose holder died, of an execution whose workflow gave it up or is gone meanwhile."""

from datetime import timedelta
from types import SimpleNamespace

import msgspec
import pytest

from services.executor.holders import Holders
from services.executor.service import Executor
from services.rollback.core import trigger
from services.rollback.core.bounds import GRACE, Bounds
from shared.api.enums import ErrorType, ExecutionKind, ExecutionPhase, RollbackStepPhase
from shared.api.execution import KubernetesExecution
from shared.api.groups import KUBERNETES_EXECUTION, WORKFLOW_EXECUTION
from shared.api.workflow import WorkflowExecution
from shared.contracts.subjects import Service
from tests.support.builders import NOW, by_name, execution_of, scale_step
from tests.support.contexts import context_over
from tests.support.undoing import at, failed_after, forward, running, undo_step
from tests.support.virtual_time import run
from tests.unit.executor.little_cluster import LittleCluster, stored

BOUNDS = Bounds(step=timedelta(minutes=5))
LATE = NOW + timedelta(minutes=5) + GRACE


class Sees(Holders):
    """Sees other executors, or that they are gone."""

    def __init__(self, *, gone: bool) -> None:
        self._own = SimpleNamespace(identity="e")  # type: ignore[assignment]
        self._is_gone = gone

    def is_replaceable(self, holder: str) -> bool:
        """Return whether all the others are gone."""
        del holder
        return self._is_gone


def given_up() -> tuple[WorkflowExecution, KubernetesExecution]:
    """Return a workflow that gave up the undo of its step, and the execution of that undo."""
    workflow = failed_after(scale_step("a"))
    executions = forward(workflow)
    granted = running(workflow, executions)
    undo = execution_of(
        granted, "a", phase=ExecutionPhase.RUNNING, kind=ExecutionKind.ROLLBACK, claimed=True
    )
    fence = undo_step(granted, "a").fence
    undo = msgspec.structs.replace(undo, spec=msgspec.structs.replace(undo.spec, fence=fence))
    status = trigger.decide(granted, by_name(*executions, undo), now=LATE, bounds=BOUNDS)
    assert status is not None
    ended = at(granted, status)
    assert undo_step(ended, "a").phase is RollbackStepPhase.FAILED
    return ended, undo


async def looked_at(
    workflow: WorkflowExecution | None, execution: KubernetesExecution, *, gone: bool
) -> KubernetesExecution:
    """Return the execution after an executor looked at it."""
    cluster = LittleCluster()
    if workflow is not None:
        cluster.put(WORKFLOW_EXECUTION, stored(workflow))
    cluster.put(KUBERNETES_EXECUTION, stored(execution))
    context = context_over(cluster, Service.EXECUTOR)
    executions = context.executions
    found = await executions.fetch("default", execution.metadata.name)
    assert found is not None
    await Executor(context, Sees(gone=gone)).carry_out(found)
    after = await executions.fetch("default", execution.metadata.name)
    assert after is not None
    return after


@pytest.mark.parametrize("deleted", [False, True])
def test_it_is_ended_so_that_its_target_is_not_locked_for_ever(deleted: bool) -> None:
    workflow, undo = given_up()

    after = run(looked_at(None if deleted else workflow, undo, gone=True))

    assert after.status.phase is ExecutionPhase.FAILED
    assert after.status.execution_results is not None
    assert after.status.execution_results.error_type is ErrorType.UNKNOWN_ERROR
    assert after.status.message == "executor-0 gave it up, and so did its workflow"


def test_who_is_alive_ends_it_himself() -> None:
    workflow, undo = given_up()

    after = run(looked_at(workflow, undo, gone=False))

    assert after.status == undo.status


@pytest.mark.parametrize("claimed", [True, False])
def test_what_ended_or_was_never_claimed_is_left_as_it_is(claimed: bool) -> None:
    workflow, _ = given_up()
    phase = ExecutionPhase.COMPLETED if claimed else ExecutionPhase.PENDING
    other = execution_of(workflow, "a", phase=phase, kind=ExecutionKind.ROLLBACK)

    after = run(looked_at(workflow, other, gone=True))

    assert after.status == other.status
