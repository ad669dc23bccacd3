"""The API server forgets what was while nobody watched (410): all is listed anew, nothing lost."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from shared.api.groups import WORKFLOW_EXECUTION
from shared.clock import SystemClock
from shared.kube.client import ApiCluster
from shared.kube.watch import ListWatch
from tests.integration.kube.conftest import Connect
from tests.support.following import NOTE, Follower
from tests.support.kubectl import Kubectl
from tests.support.proxy import Proxy
from tests.support.servers import running_cluster
from tests.support.workflows import notify, workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

APISERVER: Final = "kube-apiserver"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator["LocalCluster"]:
    """A control plane of this module's own, whose API server it may kill."""
    with running_cluster(tmp_path_factory.mktemp("cluster") / "local", nodes=0) as running:
        yield running


async def _note(api: ApiCluster, space: str, name: str, note: str) -> None:
    body = {"metadata": {"annotations": {NOTE: note}}}
    await api.patch(WORKFLOW_EXECUTION, name, body, namespace=space)


async def _make(api: ApiCluster, space: str, name: str) -> None:
    await api.create(WORKFLOW_EXECUTION, workflow(name, [notify("a")]), namespace=space)


async def test_nothing_is_lost_and_nothing_told_twice(
    cluster: "LocalCluster",
    connect: Connect,
    kubectl: Kubectl,
    proxy: Proxy,
    proxied: Path,
) -> None:
    api, space = await connect(), kubectl.namespace
    for name in ("same", "changed", "deleted", "replaced"):
        await _make(api, space, name)
    requests: Counter[str] = Counter()
    follows = await connect(proxied, on_request=lambda verb, *_: requests.update([verb]))
    watch = ListWatch(follows, WORKFLOW_EXECUTION, namespace=space, clock=SystemClock())

    async with Follower(watch) as follower:
        await follower.until(lambda world: len(world) == 4)
        await proxy.keep_out()
        for n in range(20):
            await _note(api, space, "changed", str(n))
        kubectl.ok("delete", "wfe", "deleted", "replaced")
        await _make(api, space, "replaced")
        await _make(api, space, "new")
        cluster.kill(APISERVER)
        await asyncio.to_thread(cluster.restart, APISERVER)
        await proxy.let_in()
        expected = {"same": "", "changed": "19", "replaced": "", "new": ""}
        await follower.until(lambda world: world == expected)
        await _note(api, space, "same", "after")
        await follower.until(lambda world: world == expected | {"same": "after"})

    # Once more for each list that a server which has just begun could not answer.
    assert requests["GET"] >= 2, "the version was not too old, so nothing was shown"
    told = Counter((change.type, change.object["metadata"]["name"]) for change in follower.told)
    assert told == {
        ("ADDED", "same"): 1,
        ("MODIFIED", "same"): 1,
        ("ADDED", "changed"): 1,
        ("MODIFIED", "changed"): 1,
        ("ADDED", "deleted"): 1,
        ("DELETED", "deleted"): 1,
        ("ADDED", "replaced"): 2,
        ("DELETED", "replaced"): 1,
        ("ADDED", "new"): 1,
    }
