"""Nodes are drained on a real API server, with its budgets, as fast as it allows."""

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from services.executor.core.changes import Done, RefusedError
from services.executor.core.evictions import Progress
from services.executor.draining import Drain, Tell
from services.executor.stop import Stop
from shared.api.actions.nodes import DrainNode
from shared.api.enums import ErrorType
from shared.api.groups import POD, POD_DISRUPTION_BUDGET
from shared.clock import SystemClock
from shared.kube.client import ApiCluster
from shared.kube.errors import NamespaceTerminatingError
from tests.support.homes import (
    Home,
    bare,
    budget,
    counting_ready,
    ready_pods,
    until,
    workload,
)
from tests.support.kubectl import Kubectl, Object

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster
    from tests.integration.executor.conftest import Homes

MANY: Final = 500
SAMPLE: Final = 15
TIMES_AS_FAST: Final = 3


async def told_nobody(_: Progress) -> None:
    """Listen to no progress."""


async def drain(
    api: ApiCluster,
    node: str,
    *,
    seconds: float = 60,
    progress: Tell = told_nobody,
    force: bool = False,
    delete_local_data: bool = False,
) -> Done:
    clock = SystemClock()
    deadline = clock.now() + timedelta(seconds=seconds)
    draining = Drain(api, clock=clock, deadline=deadline, stop=Stop(), progress=progress)
    parameters = DrainNode(node=node, force=force, delete_local_data=delete_local_data)
    return await draining.run(parameters, started=clock.now())


def output(done: Done) -> str:
    assert done.result.custom_result is not None
    return done.result.custom_result.output


async def settled(api: ApiCluster, kubectl: Kubectl, app: str, count: int) -> None:
    """Wait until so many pods of a workload serve."""
    await until(lambda: ready_pods(api, kubectl.namespace, app), lambda found: len(found) == count)


async def allowing(api: ApiCluster, kubectl: Kubectl, name: str, disruptions: int) -> None:
    """Wait until a budget knows its pods, and lets so many go."""

    async def read() -> Object:
        found = await api.read(POD_DISRUPTION_BUDGET, name, namespace=kubectl.namespace)
        assert found is not None
        status: Object = found.get("status", {})
        return status

    await until(
        read,
        lambda status: (
            status.get("expectedPods", 0) > 0 and status["disruptionsAllowed"] == disruptions
        ),
    )


async def test_500_pods_go_several_times_as_fast_as_one_after_the_other(
    cluster: "LocalCluster", api: ApiCluster, homes: "Homes"
) -> None:
    (home,) = await homes()
    await home.fill(MANY)
    one_by_one = await evicted_in_turn(api, (await home.pods())[:SAMPLE])
    await until(home.pods, lambda pods: len(pods) == MANY - SAMPLE)
    # Held to its limit of requests, it would take minutes.
    polite = await ApiCluster.connect(
        kubeconfig=str(cluster.kubeconfig),
        field_manager="tests",
        qps=1,
        burst=5,
        clock=SystemClock(),
    )
    seen: list[Progress] = []

    async def progress(now: Progress) -> None:
        seen.append(now)

    await home.cordon()
    began = time.perf_counter()
    async with polite:
        done = await drain(polite, home.name, force=True, progress=progress)
    together = (MANY - SAMPLE) / (time.perf_counter() - began)

    left = MANY - SAMPLE
    assert output(done) == f"evicted {left} of {left} pods of node {home.name}"
    assert await home.pods() == []
    assert seen[-1] == Progress(total=left, evicted=left, gone=left, waiting_for_budget=0)
    assert together > TIMES_AS_FAST * one_by_one


async def test_a_budget_is_kept_and_daemon_set_pods_stay(
    api: ApiCluster, kubectl: Kubectl, homes: "Homes"
) -> None:
    old, new = await homes(2)
    home = kubectl.namespace
    await new.cordon()
    kubectl.apply(workload("DaemonSet", "agent", home=home))
    kubectl.apply(workload("Deployment", "web", home=home, replicas=4, ready_after="300ms"))
    kubectl.apply(budget("web", of="web", min_available=3))
    await settled(api, kubectl, "web", 4)
    await settled(api, kubectl, "agent", 2)
    await allowing(api, kubectl, "web", 1)
    await asyncio.gather(new.cordon(cordoned=False), old.cordon())

    async with counting_ready(api, home, "web") as counts:
        done = await drain(api, old.name)

    assert min(counts) >= 3
    assert output(done) == f"evicted 4 of 5 pods of node {old.name} (1 DaemonSet pod left alone)"
    assert [app_of(pod) for pod in await old.pods()] == ["agent"]


async def test_budgets_that_let_nobody_go_are_named_at_the_deadline(
    api: ApiCluster, kubectl: Kubectl, homes: "Homes"
) -> None:
    (home,) = await homes()
    for app in ("web", "api"):
        kubectl.apply(workload("Deployment", app, home=kubectl.namespace, replicas=2))
    kubectl.apply(budget("all-of-web", of="web", min_available="100%"))
    for name in ("api-a", "api-b"):
        kubectl.apply(budget(name, of="api", min_available=1))
    for app in ("web", "api"):
        await settled(api, kubectl, app, 2)
    await allowing(api, kubectl, "all-of-web", 0)
    before = uids(await home.pods())

    with pytest.raises(RefusedError) as refused:
        await drain(api, home.name, seconds=3)

    told = str(refused.value)
    assert refused.value.error is ErrorType.TIMEOUT
    assert "4 of 4 pods left" in told
    assert "The disruption budget all-of-web needs 2 healthy pods and has 2 currently" in told
    assert "This pod has more than one PodDisruptionBudget" in told
    assert uids(await home.pods()) == before


async def test_what_would_be_lost_goes_only_when_allowed_and_a_killed_run_is_gone_on_with(
    api: ApiCluster, kubectl: Kubectl, homes: "Homes"
) -> None:
    (home,) = await homes()
    await home.fill(60)
    volumes = [{"name": "cache", "emptyDir": {}}]
    await api.create(
        POD, bare("cache", node=home.name, volumes=volumes), namespace=kubectl.namespace
    )

    with pytest.raises(RefusedError) as refused:
        await drain(api, home.name)
    assert "force=true" in str(refused.value)
    assert (
        f"deleteLocalData=true to lose the data in emptyDir volumes ({kubectl.namespace}/cache)"
        in (str(refused.value))
    )
    assert len(await home.pods()) == 61

    await killed_on_the_way(api, home)
    left = len(await home.pods())
    done = await drain(api, home.name, force=True, delete_local_data=True)

    assert 0 < left < 61
    assert output(done).startswith("evicted ")
    assert await home.pods() == []


async def test_in_a_namespace_that_is_being_ended_nobody_is_evicted(
    api: ApiCluster, kubectl: Kubectl
) -> None:
    held = bare("web", node="nowhere")
    held["metadata"]["finalizers"] = ["example.org/held"]
    made = await api.create(POD, held, namespace=kubectl.namespace)
    kubectl.ok("delete", "namespace", kubectl.namespace, "--wait=false")

    with pytest.raises(NamespaceTerminatingError):
        await api.evict(
            "web", uid=made["metadata"]["uid"], namespace=kubectl.namespace, grace_s=None
        )

    kubectl.ok("patch", "pod", "web", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')


async def killed_on_the_way(api: ApiCluster, home: Home) -> None:
    """Start to drain, and end it without a word once some pods are gone."""
    going = asyncio.create_task(drain(api, home.name, force=True, delete_local_data=True))
    await until(home.pods, lambda pods: len(pods) < 60)
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going


async def evicted_in_turn(api: ApiCluster, pods: list[Object]) -> float:
    """Evict some pods one after the other; return how many a second."""
    began = time.perf_counter()
    for pod in pods:
        meta = pod["metadata"]
        await api.evict(meta["name"], uid=meta["uid"], namespace=meta["namespace"], grace_s=None)
    return len(pods) / (time.perf_counter() - began)


def uids(pods: list[Object]) -> set[str]:
    return {pod["metadata"]["uid"] for pod in pods}


def app_of(pod: Object) -> str:
    return str(pod["metadata"]["labels"]["app"])
