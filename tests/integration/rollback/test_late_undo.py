"""An undo that nobody takes up in time, on a real API server: revoked first, unless claimed."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import msgspec
import structlog

from services.rollback.service import Rollback
from shared.api.enums import ExecutionPhase, Phase, RollbackStepPhase
from shared.api.execution import KubernetesExecution
from shared.api.groups import KUBERNETES_EXECUTION, WORKFLOW_EXECUTION, Kind
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import StepRollback
from shared.clock import SystemClock
from shared.contracts.subjects import Service
from shared.errors import TransientError
from shared.ids import Uid
from shared.kube.apply import to_json
from shared.kube.client import ApiCluster
from shared.kube.events import EventRecorder
from shared.kube.objects import decoded
from shared.kube.port import Object
from shared.kube.store import ExecutionStore, WorkflowStore
from shared.limits import Limits, LiveLimits
from shared.telemetry.metrics import Metrics
from shared.worker.context import Context
from shared.worker.keys import WorkflowKey
from shared.worker.publisher import Publisher
from shared.worker.running import finisher
from tests.integration.kube.conftest import Connect
from tests.support.builders import NOW, scale_step
from tests.support.ceilings import NoBus
from tests.support.kubectl import Kubectl
from tests.support.undoing import failed_after, undo_step

T = TypeVar("T")
NAME: Final = "late"
TOO_LATE: Final = NOW + timedelta(minutes=5, seconds=30)


class SetClock(SystemClock):
    """Shows the time that it is set to."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        """Return the time that it is set to."""
        return self.time


class Beaten(ApiCluster):
    """Lets an executor claim an execution just before somebody else writes its status."""

    async def patch(self, kind: Kind, name: str, body: Object, **more: Any) -> Object:
        if kind is KUBERNETES_EXECUTION:
            status = {"phase": "Running", "claimedBy": "e", "claimFence": 1}
            status["startTime"] = TOO_LATE.isoformat()
            await super().patch(kind, name, {"status": status}, **more)
        return await super().patch(kind, name, body, **more)


class Stage:
    """A workflow with one step to undo, and the service that does it."""

    def __init__(self, cluster: ApiCluster, uid: Uid, space: str) -> None:
        self.clock, service, metrics = SetClock(), Service.ROLLBACK, Metrics()
        self.key = WorkflowKey(namespace=space, name=NAME, uid=uid)
        self._context = Context(
            service=service,
            identity="test",
            clock=self.clock,
            cluster=cluster,
            bus=NoBus(),
            workflows=WorkflowStore(cluster, finish=finisher(service, self.clock, metrics)),
            executions=ExecutionStore(cluster),
            publisher=Publisher(NoBus(), clock=self.clock, service=service, identity="test"),
            recorder=EventRecorder(cluster, component="test", clock=self.clock),
            metrics=metrics,
            log=structlog.get_logger(),
            namespace=space,
            system_namespace=space,
            resync_s=30,
            limits=LiveLimits(Limits()),
        )
        self._service = Rollback(self._context)

    async def walk(self, at: datetime) -> tuple[WorkflowExecution, KubernetesExecution]:
        """Let the service look at a time; return the workflow and the one execution then."""
        self.clock.time = at
        await _patiently(lambda: self._service.reconcile(self.key, []))
        cluster, space = self._context.cluster, self.key.namespace
        raw = await cluster.read(WORKFLOW_EXECUTION, NAME, namespace=space)
        (execution,) = await self._context.executions.of_workflow(space, self.key.uid)
        assert raw is not None
        return decoded(raw, WorkflowExecution), execution


async def _patiently(act: Callable[[], Awaitable[T]]) -> T:
    """Do something again while the API server, which has just begun, cannot take it yet."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await act()
            except TransientError:
                await asyncio.sleep(0.1)


async def _stage(cluster: ApiCluster, kubectl: Kubectl) -> Stage:
    space = kubectl.namespace
    step = scale_step("a")
    undo = StepRollback(action=step.action, parameters=step.parameters)
    stopped = failed_after(msgspec.structs.replace(step, rollback=undo))
    body = {
        "apiVersion": WORKFLOW_EXECUTION.api_version,
        "kind": WORKFLOW_EXECUTION.kind,
        "metadata": {"name": NAME},
        "spec": to_json(stopped.spec),
    }
    made = await _patiently(lambda: cluster.create(WORKFLOW_EXECUTION, body, namespace=space))
    status = {"status": to_json(stopped.status)}
    await cluster.patch(WORKFLOW_EXECUTION, NAME, status, namespace=space, subresource="status")
    return Stage(cluster, Uid(made["metadata"]["uid"]), space)


async def test_an_undo_that_nobody_takes_up_is_revoked_and_fails(
    api: ApiCluster, kubectl: Kubectl
) -> None:
    stage = await _stage(api, kubectl)
    _, granted = await stage.walk(NOW)

    waiting, pending = await stage.walk(TOO_LATE - timedelta(milliseconds=1))
    ended, revoked = await stage.walk(TOO_LATE)

    assert undo_step(waiting, "a").phase is RollbackStepPhase.RUNNING
    assert pending == granted
    assert revoked.status.phase is ExecutionPhase.CANCELLED
    assert ended.status.phase is Phase.ROLLBACK_FAILED
    assert undo_step(ended, "a").reason == "TimedOut"
    assert undo_step(ended, "a").message.startswith("nobody took it up in time")


async def test_a_claim_at_the_last_moment_wins(connect: Connect, kubectl: Kubectl) -> None:
    stage = await _stage(await connect(form=Beaten), kubectl)
    await stage.walk(NOW)

    going_on, claimed = await stage.walk(TOO_LATE)

    assert claimed.status.phase is ExecutionPhase.RUNNING
    assert claimed.status.claimed_by == "e"
    assert going_on.status.phase is Phase.ROLLING_BACK
    assert undo_step(going_on, "a").phase is RollbackStepPhase.RUNNING
