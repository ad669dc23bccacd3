"""A ceiling over all workflows of a namespace, and over all there are."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.kubectl import Kubectl, Object, eventually
from tests.support.namespaces import empty_namespace
from tests.support.rights import kubeconfigs
from tests.support.services import Services
from tests.support.watching import ExecutionWatch
from tests.support.workflows import deployment, notify, wait_available, workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster
    from shared.bus.embedded import EmbeddedServer

LIMIT = 3
WORKFLOWS = {name: [f"{name}-s{number}" for number in range(4)] for name in ("x", "y", "z")}
SYSTEM = "kubernaut-system"


@pytest.fixture(autouse=True)
def _with_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MENDFLOW_CONCURRENCY_POOLS", "true")


def test_three_workflows_share_the_ceiling_of_their_namespace(
    cluster: "LocalCluster", nats_server: "EmbeddedServer", tmp_path: Path
) -> None:
    kubectl = empty_namespace(cluster, "shared-ceiling")
    kubectl.apply(_pool("default", LIMIT))
    services = Services(
        kubeconfig=cluster.kubeconfig,
        nats_url=nats_server.url,
        namespace=kubectl.namespace,
        logs=tmp_path,
    )
    with services, ExecutionWatch(kubectl) as watch:
        # Each step waits for a Deployment of its own: the test says when it may end.
        for name, steps in WORKFLOWS.items():
            kubectl.apply(workflow(name, [wait_available(step, f"t-{step}") for step in steps]))
        _until(watch, lambda: len(watch.created) == LIMIT)
        eventually(lambda: kubectl.get("cpool", "default"), lambda it: _in_use(it) == LIMIT)
        first = list(watch.created)
        for step in first:
            kubectl.apply(deployment(f"t-{step}"))
        _until(watch, lambda: len(watch.created) == 2 * LIMIT)
        for steps in WORKFLOWS.values():
            for step in steps:
                if step not in first:
                    kubectl.apply(deployment(f"t-{step}"))
        for name in WORKFLOWS:
            done = kubectl.wait_phase(name, "Completed", "Failed")
            assert done["status"]["phase"] == "Completed"
        eventually(lambda: kubectl.get("cpool", "default"), lambda it: _in_use(it) == 0)

    assert sorted(watch.created) == sorted(step for all_ in WORKFLOWS.values() for step in all_)
    assert max(watch.samples) == LIMIT
    assert kubectl.get("cpool", "default")["status"].get("holders", {}) == {}


def test_the_pool_of_the_system_namespace_is_the_ceiling_of_all(
    cluster: "LocalCluster", nats_server: "EmbeddedServer", tmp_path: Path
) -> None:
    from deploy.local.kubectl import ensure_kubectl

    kubectl = empty_namespace(cluster, "ceiling-of-all")
    kubectl.apply(_pool("default", LIMIT))
    system = Kubectl(cluster.kubeconfig, namespace=SYSTEM, program=str(ensure_kubectl()))
    system.apply(_pool("cluster", 1))
    services = Services(
        kubeconfig=cluster.kubeconfig,
        kubeconfigs=kubeconfigs(cluster),
        nats_url=nats_server.url,
        namespace=kubectl.namespace,
        logs=tmp_path,
    )
    with services, ExecutionWatch(kubectl) as watch:
        kubectl.apply(workflow("one-by-one", [notify(f"s{number}") for number in range(3)]))
        done = kubectl.wait_phase("one-by-one", "Completed", "Failed")
        eventually(lambda: system.get("cpool", "cluster"), lambda it: _in_use(it) == 0)
        eventually(lambda: kubectl.get("cpool", "default"), lambda it: _in_use(it) == 0)

    assert done["status"]["phase"] == "Completed"
    assert watch.created == ["s0", "s1", "s2"]
    assert max(watch.samples) == 1
    system.ok("delete", "cpool", "cluster")


def _pool(name: str, limit: int) -> Object:
    return {
        "apiVersion": "workflowexecution.kubernaut.ai/v1alpha1",
        "kind": "ConcurrencyPool",
        "metadata": {"name": name},
        "spec": {"limit": limit},
    }


def _in_use(pool: Object) -> int:
    used: int = pool.get("status", {}).get("inUse", 0)
    return used


def _until(watch: ExecutionWatch, holds: Callable[[], bool]) -> None:
    eventually(lambda: {"created": watch.created}, lambda _: holds())
