"""Pods, workloads and budgets that live on a test's own nodes."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from deploy.local.nodes import is_usable, node_name, render_node
from services.executor.core.pods import is_leaving, is_ready
from shared.api.groups import NODE, POD
from shared.kube.client import ApiCluster
from shared.kube.port import Object

T = TypeVar("T")
HOME: Final = "mendflow.test/home"
_WIDTH: Final = 16


class Home:
    """One node of a test's own."""

    def __init__(self, api: ApiCluster, name: str, *, namespace: str) -> None:
        self._api = api
        self.name = name
        self.namespace = namespace

    @classmethod
    async def made(cls, api: ApiCluster, number: int, *, namespace: str) -> "Home":
        """Make a node that only pods which ask for it go to, and wait until it takes them."""
        node = render_node(number)
        node["metadata"]["labels"] |= {HOME: namespace}
        node["spec"]["taints"] = [{"key": HOME, "value": namespace, "effect": "NoSchedule"}]
        await api.create(NODE, node)
        home = cls(api, node_name(number), namespace=namespace)
        await until(home.live, lambda live: is_usable(_without_ours(live)))
        return home

    async def remove(self) -> None:
        """Take the node away, and with it the pods that are left on it."""
        live = await self.live()
        await self._api.delete(NODE, self.name, uid=live["metadata"]["uid"])

    async def live(self) -> Object:
        """Return the node."""
        found = await self._api.read(NODE, self.name)
        assert found is not None
        return found

    async def cordon(self, *, cordoned: bool = True) -> None:
        """Let no more pods be scheduled to it, or again."""
        await self._api.patch(NODE, self.name, {"spec": {"unschedulable": cordoned}})

    async def pods(self) -> list[Object]:
        """Return the pods on it."""
        return (await self._api.pods_on(self.name)).items

    async def fill(self, count: int) -> None:
        """Put so many pods on it that nobody brings back, and wait until they run."""
        gate = asyncio.Semaphore(_WIDTH)

        async def create(number: int) -> None:
            body = bare(f"bare-{number}", node=self.name)
            async with gate:
                await self._api.create(POD, body, namespace=self.namespace)

        await asyncio.gather(*(create(number) for number in range(count)))
        await until(self.pods, lambda pods: all(is_ready(pod) for pod in pods))


def _without_ours(node: Object) -> Object:
    taints = [each for each in node["spec"].get("taints", []) if each["key"] != HOME]
    return node | {"spec": node["spec"] | {"taints": taints}}


def bare(name: str, *, node: str, **spec: object) -> Object:
    """Return a pod without a controller."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"nodeName": node, "containers": [{"name": "app", "image": "x"}], **spec},
    }


def workload(
    kind: str, name: str, *, home: str, replicas: int | None = None, ready_after: str = "0s"
) -> Object:
    """Return a Deployment, StatefulSet or DaemonSet on the nodes of a test."""
    spec: Object = {
        "selector": {"matchLabels": {"app": name}},
        "template": {
            "metadata": {
                "labels": {"app": name},
                "annotations": {"mendflow.test/ready-after": ready_after},
            },
            "spec": {
                "nodeSelector": {HOME: home},
                "tolerations": [{"key": HOME, "operator": "Exists"}],
                "containers": [{"name": "app", "image": "registry.example/app:1"}],
            },
        },
    }
    if replicas is not None:
        spec["replicas"] = replicas
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def budget(name: str, *, of: str, min_available: int | str) -> Object:
    """Return a PodDisruptionBudget for the pods of a workload."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name},
        "spec": {"minAvailable": min_available, "selector": {"matchLabels": {"app": of}}},
    }


async def ready_pods(api: ApiCluster, namespace: str, app: str) -> list[Object]:
    """Return the pods of a workload that serve and are to stay."""
    listed = await api.list(POD, namespace=namespace, label_selector=f"app={app}")
    return [pod for pod in listed.items if is_ready(pod) and not is_leaving(pod)]


@asynccontextmanager
async def counting_ready(api: ApiCluster, namespace: str, app: str) -> AsyncIterator[list[int]]:
    """Count the pods of a workload that serve, again and again, and add each count to a list."""
    counts: list[int] = []

    async def count() -> None:
        while True:
            counts.append(len(await ready_pods(api, namespace, app)))
            await asyncio.sleep(0.02)

    counting = asyncio.create_task(count())
    try:
        yield counts
    finally:
        counting.cancel()
        await asyncio.gather(counting, return_exceptions=True)


async def until(
    read: Callable[[], Awaitable[T]], holds: Callable[[T], bool], *, seconds: float = 60
) -> T:
    """Read until something holds; fail with the last thing read."""
    deadline = time.monotonic() + seconds
    while not holds(found := await read()):
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.05)
    return found
