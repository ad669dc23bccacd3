"""Pods are deleted and restarted on a real API server, under its own controllers."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from services.executor.core.changes import Done, RefusedError
from services.executor.deleting import Deletion
from services.executor.stop import Stop
from shared.api.actions.pods import DeletePod, RestartPod
from shared.api.enums import Action, ErrorType, ExecutionPhase
from shared.api.groups import POD
from shared.clock import SystemClock
from shared.kube.client import ApiCluster
from shared.kube.port import Object
from tests.support.acts import Acts
from tests.support.homes import counting_ready, ready_pods, until, workload
from tests.support.kubectl import Kubectl

if TYPE_CHECKING:
    from tests.integration.executor.conftest import Homes


class AnHourBehind(SystemClock):
    """The clock of a machine that nobody has set right."""

    def now(self) -> datetime:
        """Return what it shows."""
        return super().now() - timedelta(hours=1)


def deletion(api: ApiCluster, *, seconds: float = 60) -> Deletion:
    clock = SystemClock()
    deadline = clock.now() + timedelta(seconds=seconds)
    return Deletion(api, clock=clock, deadline=deadline, stop=Stop())


async def restarted(
    api: ApiCluster, kubectl: Kubectl, parameters: RestartPod, *, started: datetime
) -> int:
    done: Done = await deletion(api).restart_pod(parameters, kubectl.namespace, started=started)
    assert done.result.restart_result is not None
    return done.result.restart_result.pods_restarted


async def uids(api: ApiCluster, kubectl: Kubectl, app: str, *, count: int) -> set[str]:
    """Wait until so many pods of a workload serve, and return their uids."""
    found = await until(
        lambda: ready_pods(api, kubectl.namespace, app), lambda pods: len(pods) == count
    )
    return {pod["metadata"]["uid"] for pod in found}


async def test_the_pod_that_is_meant_goes_and_its_successor_stays(
    api: ApiCluster, kubectl: Kubectl, homes: "Homes"
) -> None:
    await homes()
    kubectl.apply(workload("StatefulSet", "db", home=kubectl.namespace, replicas=1))
    (first,) = await uids(api, kubectl, "db", count=1)
    parameters = DeletePod(pod="db-0")

    with pytest.raises(RefusedError, match="does not exist") as refused:
        await deletion(api).delete_pod(DeletePod(pod="db-7"), kubectl.namespace)
    await deletion(api).delete_pod(parameters, kubectl.namespace, expected_uid=first)
    second = await until(lambda: live(api, kubectl, "db-0"), lambda found: found is not None)
    await deletion(api).delete_pod(parameters, kubectl.namespace, expected_uid=first)

    assert refused.value.error is ErrorType.RESOURCE_NOT_FOUND
    assert second is not None
    assert second["metadata"]["uid"] != first
    after = await live(api, kubectl, "db-0")
    assert after is not None
    assert after["metadata"]["uid"] == second["metadata"]["uid"]
    assert "deletionTimestamp" not in after["metadata"]


async def test_pods_are_restarted_without_ever_missing_more_than_one(
    api: ApiCluster, kubectl: Kubectl, homes: "Homes"
) -> None:
    (home,) = await homes()
    name, clock = kubectl.namespace, SystemClock()
    kubectl.apply(workload("Deployment", "web", home=name, replicas=3, ready_after="300ms"))
    kubectl.apply(workload("StatefulSet", "db", home=name, replicas=2))
    before = await uids(api, kubectl, "web", count=3)
    old_db = await uids(api, kubectl, "db", count=2)
    started = clock.now()

    async with counting_ready(api, name, "web") as counts:
        count = await restarted(api, kubectl, RestartPod(deployment="web"), started=started)
    one = await restarted(api, kubectl, RestartPod(pod="db-1"), started=started)
    after = await uids(api, kubectl, "web", count=3)
    new_db = await uids(api, kubectl, "db", count=2)

    assert count == 3
    assert min(counts) >= 2
    assert before.isdisjoint(after)
    assert one == 1
    assert len(old_db & new_db) == 1
    assert len(await home.pods()) == 5


async def test_an_executor_whose_clock_is_behind_takes_no_pod_for_a_new_one(
    acts: Acts, api: ApiCluster, kubectl: Kubectl, homes: "Homes"
) -> None:
    await homes()
    kubectl.apply(workload("StatefulSet", "db", home=kubectl.namespace, replicas=1))
    before = await uids(api, kubectl, "db", count=1)

    act = await acts.under(AnHourBehind()).act(Action.RESTART_POD, RestartPod(pod="db-0"))

    assert act.execution.status.phase is ExecutionPhase.COMPLETED
    assert before.isdisjoint(await uids(api, kubectl, "db", count=1))


async def live(api: ApiCluster, kubectl: Kubectl, name: str) -> Object | None:
    return await api.read(POD, name, namespace=kubectl.namespace)
