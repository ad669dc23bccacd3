"""Status writes on a real API server: whoever comes second reads again, and nothing is lost."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from shared.api.enums import RollbackPhase, RollbackType
from shared.api.groups import WORKFLOW_EXECUTION
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import AdaptiveAdjustment, Rollback, Token, WorkflowStatus
from shared.clock import SystemClock
from shared.contracts.subjects import Service
from shared.errors import ConflictError
from shared.ids import Uid
from shared.kube.client import ApiCluster
from shared.kube.port import Object
from shared.kube.store import WorkflowStore
from shared.telemetry.metrics import Metrics
from shared.worker.running import finisher
from shared.workflow.phases import IllegalTransitionError
from shared.workflow.slices import SliceViolationError
from tests.integration.kube.conftest import Connect
from tests.support.builders import NOW, planned
from tests.support.kubectl import Kubectl
from tests.support.workflows import diamond, notify, workflow

NAME: Final = "contested"
WRITES: Final = 20
ALWAYS: Final = 1000

Rival = Callable[[], Awaitable[None]]


class Contested(ApiCluster):
    """Lets somebody else be faster at the next status writes."""

    rival: Rival
    ahead: int = 0

    async def patch(self, *arguments: Any, **more: Any) -> Object:
        if more.get("subresource") == "status" and self.ahead:
            self.ahead -= 1
            await self.rival()
        return await super().patch(*arguments, **more)


def _rival(api: ApiCluster, space: str) -> Rival:
    numbers = itertools.count()

    async def write() -> None:
        body = {"metadata": {"annotations": {"tests.example/rival": str(next(numbers))}}}
        await api.patch(WORKFLOW_EXECUTION, NAME, body, namespace=space)

    return write


def _store(cluster: ApiCluster, service: Service, **told: Any) -> WorkflowStore:
    return WorkflowStore(cluster, finish=finisher(service, SystemClock(), Metrics()), **told)


async def _planned_workflow(api: ApiCluster, space: str) -> Uid:
    body = workflow(NAME, diamond())
    made = await api.create(WORKFLOW_EXECUTION, body, namespace=space)
    uid = Uid(made["metadata"]["uid"])
    planner = _store(api, Service.PLANNER)
    await planner.update(space, NAME, uid, lambda found: planned(found).status)
    return uid


def _with_step(status: WorkflowStatus, name: str, **change: Any) -> WorkflowStatus:
    steps = [
        msgspec.structs.replace(step, **change) if step.name == name else step
        for step in status.steps
    ]
    return msgspec.structs.replace(status, steps=steps)


def _replan(found: WorkflowExecution) -> WorkflowStatus:
    status = found.status
    made = AdaptiveAdjustment(timestamp=NOW, adjustment=f"{status.plan_revision} to the next")
    return msgspec.structs.replace(
        status,
        plan_revision=status.plan_revision + 1,
        adaptive_adjustments=[*status.adaptive_adjustments, made],
    )


def _grant(found: WorkflowExecution) -> WorkflowStatus:
    fence = found.status.last_fence + 1
    token = Token(attempt=fence, fence=fence, granted_at=NOW)
    return msgspec.structs.replace(
        _with_step(found.status, "a", attempts=fence), last_fence=fence, tokens={"a": token}
    )


def _judge(found: WorkflowExecution) -> WorkflowStatus:
    progress = found.status.progress + 1
    judged = _with_step(found.status, "b", message=f"{progress} percent")
    return msgspec.structs.replace(_with_step(judged, "a", message="seen"), progress=progress)


def _turn_back(found: WorkflowExecution) -> WorkflowStatus:
    began = found.status.rollback_start_time or NOW
    return msgspec.structs.replace(found.status, rollback_start_time=began + timedelta(seconds=1))


def _undone_already(found: WorkflowExecution) -> WorkflowStatus:
    rollback = Rollback(phase=RollbackPhase.COMPLETED, strategy=RollbackType.AUTOMATIC)
    return msgspec.structs.replace(found.status, rollback=rollback)


SLICES: Final = {
    Service.PLANNER: _replan,
    Service.ORCHESTRATOR: _grant,
    Service.MONITOR: _judge,
    Service.ROLLBACK: _turn_back,
}


async def test_every_slice_survives_when_every_first_write_is_late(
    api: ApiCluster, connect: Connect, kubectl: Kubectl
) -> None:
    space = kubectl.namespace
    uid = await _planned_workflow(api, space)
    before = kubectl.get("wfe", NAME)["status"]
    conflicts = dict.fromkeys(SLICES, 0)

    async def write(service: Service) -> None:
        cluster: Contested = await connect(form=Contested, manager=f"mendflow-{service}")
        cluster.rival = _rival(api, space)

        def count() -> None:
            conflicts[service] += 1

        store = _store(cluster, service, on_conflict=count)
        for _ in range(WRITES):
            cluster.ahead = 1
            await _as_often_as_needed(store, space, uid, SLICES[service])

    async with asyncio.TaskGroup() as tasks:
        for service in SLICES:
            tasks.create_task(write(service))

    after = kubectl.get("wfe", NAME)["status"]
    assert min(conflicts.values()) >= WRITES, conflicts
    assert after["planRevision"] == before.get("planRevision", 0) + WRITES
    assert len(after["adaptiveAdjustments"]) == WRITES
    assert after["lastFence"] == after["tokens"]["a"]["fence"] == WRITES
    assert after["progress"] == WRITES
    assert after["rollbackStartTime"] == "2026-01-02T03:04:25Z"
    first, second, *others = after["steps"]
    assert (first["attempts"], first["message"]) == (WRITES, "seen")
    assert second["message"] == f"{WRITES} percent"
    assert [*others] == before["steps"][2:]
    assert after["executionPlan"] == before["executionPlan"]
    assert after["phase"] == "Executing"


async def _as_often_as_needed(
    store: WorkflowStore, space: str, uid: Uid, decide: Callable[[WorkflowExecution], Any]
) -> None:
    """Do as the bus does with a message whose handler gave up."""
    while True:
        try:
            await store.update(space, NAME, uid, decide)
        except ConflictError:
            continue
        return


async def test_five_lost_tries_are_given_up(
    api: ApiCluster, connect: Connect, kubectl: Kubectl
) -> None:
    space = kubectl.namespace
    uid = await _planned_workflow(api, space)
    cluster: Contested = await connect(form=Contested)
    cluster.rival, cluster.ahead = _rival(api, space), ALWAYS
    told: list[str] = []
    decided: list[str] = []
    store = _store(
        cluster,
        Service.MONITOR,
        on_conflict=lambda: told.append("conflict"),
        on_given_up=lambda: told.append("given up"),
        on_written=lambda *_: told.append("written"),
    )

    def judge(found: WorkflowExecution) -> WorkflowStatus:
        decided.append(found.metadata.resource_version)
        return _judge(found)

    with pytest.raises(ConflictError):
        await store.update(space, NAME, uid, judge)

    assert told == ["conflict"] * 5 + ["given up"]
    assert len(set(decided)) == 5, "each try decides on what it read anew"
    assert "progress" not in kubectl.get("wfe", NAME)["status"]


async def test_deleted_while_writing_is_a_clean_end(
    api: ApiCluster, connect: Connect, kubectl: Kubectl
) -> None:
    space = kubectl.namespace
    uid = await _planned_workflow(api, space)
    cluster: Contested = await connect(form=Contested)

    async def delete() -> None:
        await asyncio.to_thread(kubectl.ok, "delete", "wfe", NAME)

    cluster.rival, cluster.ahead = delete, 1

    assert await _store(cluster, Service.MONITOR).update(space, NAME, uid, _judge) is None


async def test_another_object_of_the_same_name_is_left_alone(
    api: ApiCluster, connect: Connect, kubectl: Kubectl
) -> None:
    space = kubectl.namespace
    uid = await _planned_workflow(api, space)
    cluster: Contested = await connect(form=Contested)

    async def replace() -> None:
        await asyncio.to_thread(kubectl.ok, "delete", "wfe", NAME)
        await api.create(WORKFLOW_EXECUTION, workflow(NAME, [notify("z")]), namespace=space)

    cluster.rival, cluster.ahead = replace, 1

    assert await _store(cluster, Service.MONITOR).update(space, NAME, uid, _judge) is None
    assert "status" not in kubectl.get("wfe", NAME)


async def test_a_decision_that_changes_nothing_is_not_sent(
    api: ApiCluster, kubectl: Kubectl
) -> None:
    space = kubectl.namespace
    uid = await _planned_workflow(api, space)
    written: list[str] = []
    store = _store(api, Service.MONITOR, on_written=lambda name, _: written.append(name))
    version = kubectl.get("wfe", NAME)["metadata"]["resourceVersion"]

    await store.update(space, NAME, uid, lambda found: found.status)
    await store.update(space, NAME, uid, lambda _: None)

    assert written == []
    assert kubectl.get("wfe", NAME)["metadata"]["resourceVersion"] == version


async def test_an_illegal_transition_leaves_the_status_alone_and_is_counted(
    api: ApiCluster, kubectl: Kubectl
) -> None:
    space, registry = kubectl.namespace, CollectorRegistry()
    uid = await _planned_workflow(api, space)
    guard = finisher(Service.ROLLBACK, SystemClock(), Metrics(registry))
    before = kubectl.get("wfe", NAME)

    with pytest.raises(IllegalTransitionError, match="Executing cannot become RolledBack"):
        await WorkflowStore(api, finish=guard).update(space, NAME, uid, _undone_already)

    assert kubectl.get("wfe", NAME) == before
    assert registry.get_sample_value("mendflow_illegal_transitions_total") == 1


async def test_a_write_outside_its_slice_never_reaches_the_server(
    api: ApiCluster, kubectl: Kubectl
) -> None:
    space = kubectl.namespace
    uid = await _planned_workflow(api, space)

    with pytest.raises(SliceViolationError, match="progress"):
        await _store(api, Service.ORCHESTRATOR).update(space, NAME, uid, _judge)

    assert "progress" not in kubectl.get("wfe", NAME)["status"]


async def test_each_field_shows_its_writer(connect: Connect, kubectl: Kubectl) -> None:
    space = kubectl.namespace
    uid = await _planned_workflow(await connect(manager="mendflow-planner"), space)
    for service, decide in SLICES.items():
        cluster = await connect(manager=f"mendflow-{service.name.lower()}")
        await _store(cluster, service).update(space, NAME, uid, decide)

    raw = await (await connect()).read(WORKFLOW_EXECUTION, NAME, namespace=space)

    assert raw is not None
    writers = {
        entry["manager"]: entry["fieldsV1"].get("f:status", {})
        for entry in raw["metadata"]["managedFields"]
        if entry.get("subresource") == "status"
    }
    assert "f:planRevision" in writers["mendflow-planner"]
    assert "f:tokens" in writers["mendflow-orchestrator"]
    assert "f:progress" in writers["mendflow-monitor"]
    assert "f:rollbackStartTime" in writers["mendflow-rollback"]
