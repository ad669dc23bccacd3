"""How far the service goes in one visit, with nobody to wake it for another one."""

from dataclasses import replace
from types import SimpleNamespace

import msgspec
import pytest

from services.rollback.service import Rollback
from shared.api.actions.jobs import Custom
from shared.api.enums import Phase, RollbackStepPhase
from shared.api.groups import KUBERNETES_EXECUTION, WORKFLOW_EXECUTION, Kind
from shared.api.parameters import Parameters
from shared.api.results import SafetyResult
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import StepRollback
from shared.contracts.subjects import Service
from shared.kube.objects import decoded
from shared.kube.port import Object
from shared.worker.keys import WorkflowKey
from shared.workflow.safety import SafetyAnswer
from tests.support.builders import scale_step
from tests.support.contexts import context_over
from tests.support.undoing import failed_after, forward, rollback_of, undo_step
from tests.support.virtual_time import run
from tests.unit.executor.little_cluster import LittleCluster, stored

JOB = StepRollback(action="custom", parameters=Parameters(custom=Custom(custom_command=["./undo"])))
SCALE = StepRollback(action="scale_deployment", parameters=scale_step("x").parameters)
NO = SafetyAnswer(result=SafetyResult(allowed=False, reasons=["not now"], policy_revision="v1"))


class Naming(LittleCluster):
    """Gives what is created an identity, as the API server does."""

    async def create(self, kind: Kind, body: Object, *, namespace: str = "") -> Object:
        """Store what was not there, under an identity of its own."""
        meta = body["metadata"] | {"uid": f"uid-of-{body['metadata']['name']}"}
        return await super().create(kind, body | {"metadata": meta}, namespace=namespace)


async def denied(*_: object, **__: object) -> SafetyAnswer:
    """Deny whatever is asked."""
    return NO


async def visited(workflow: WorkflowExecution, *, checker: object = None) -> WorkflowExecution:
    """Return a stopped workflow after one visit of the service."""
    cluster, meta = Naming(), workflow.metadata
    cluster.put(WORKFLOW_EXECUTION, stored(workflow))
    for execution in forward(workflow):
        cluster.put(KUBERNETES_EXECUTION, stored(execution))
    context = replace(context_over(cluster, Service.ROLLBACK), checker=checker)  # type: ignore[arg-type]
    key = WorkflowKey(namespace=meta.namespace, name=meta.name, uid=meta.uid)
    await Rollback(context).reconcile(key, [])
    return decoded(cluster.get(WORKFLOW_EXECUTION, meta.name), WorkflowExecution)


@pytest.mark.parametrize(("rollback", "noted"), [(JOB, True), (SCALE, False), (None, False)])
def test_only_an_undo_that_leaves_no_mark_is_noted_at_once(
    rollback: StepRollback | None, noted: bool
) -> None:
    step = msgspec.structs.replace(scale_step("a"), rollback=rollback)

    after = undo_step(run(visited(failed_after(step))), "a")

    assert after.phase is RollbackStepPhase.RUNNING
    assert after.execution_ref is not None
    assert bool(after.execution_ref.uid) is noted


def test_row_72_undos_that_are_denied_are_followed_by_the_next_one_up_to_the_end() -> None:
    steps = [scale_step(f"s{number}") for number in range(6)]

    after = run(visited(failed_after(*steps), checker=SimpleNamespace(judge=denied)))

    assert {step.reason for step in rollback_of(after).steps} == {"PolicyViolation"}
    assert after.status.phase is Phase.ROLLBACK_FAILED
