"""Pods in an API server in memory: they take their time to end, and controllers replace them."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from services.executor.core.pods import is_leaving, is_ready, owner_of, uid_of
from shared.api.groups import POD, REPLICA_SET, Kind
from shared.errors import ConflictError, MendflowError, NotFoundError
from shared.kube.port import Listing, Object
from tests.support.virtual_time import EPOCH, virtual_clock
from tests.unit.executor.little_cluster import LittleCluster

STARTED: Final = EPOCH - timedelta(seconds=30)
"""When the steps of these tests began."""
WEB: Final[Object] = {"kind": "ReplicaSet", "name": "web", "uid": "rs-web", "controller": True}


def pod(
    name: str,
    *,
    owner: Object | None = WEB,
    age_s: float = 60,
    ready: bool = True,
    phase: str = "Running",
    **spec: object,
) -> Object:
    """Return a pod that is so old at the beginning of a test."""
    created = (EPOCH - timedelta(seconds=age_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": f"uid-{name}",
            "creationTimestamp": created,
            "ownerReferences": [owner] if owner else [],
        },
        "spec": {"nodeName": "n1", **spec},
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def of_kind(kind: str) -> Object:
    """Return a controller of a kind."""
    return WEB | {"kind": kind}


def pods(count: int) -> list[Object]:
    """Return pods of one ReplicaSet."""
    return [pod(f"web-{number}") for number in range(count)]


def leaving(item: Object, *, grace_s: int = 30) -> Object:
    """Return a pod that was told to end."""
    told = {"deletionTimestamp": "2026-01-02T00:00:00Z", "deletionGracePeriodSeconds": grace_s}
    return item | {"metadata": item["metadata"] | told}


class Crowd(LittleCluster):
    """The pods of one namespace and node."""

    def __init__(self, items: list[Object]) -> None:
        super().__init__()
        self.evict_s = 0.05
        """How long an eviction takes to be answered."""
        self.end_s = 1.0
        """How long a pod takes to end; 0 for ever."""
        self.ready_s = 3.0
        """How long a replacement takes to be ready; 0 for ever."""
        self.told: list[str] = []
        """The uids of pods in the order in which they were told to end, each time."""
        self.requests: list[tuple[float, str]] = []
        """When which pod was asked to be evicted."""
        self.before_evict: Callable[[str], MendflowError | None] = lambda _: None
        """What an eviction of a pod is refused with."""
        self.after_evict: Callable[[str], MendflowError | None] = lambda _: None
        """What comes instead of the answer to an eviction that was done."""
        self.before_delete: list[Callable[[], object]] = []
        """What happens before the next deletions, in order; what it raises is their answer."""
        self.at_request: Callable[[], object] = lambda: None
        """Called before each request and before its answer."""
        self.fewest_ready = len(items)
        self._replaced = 0
        for item in items:
            self.put(POD, item)

    def keep(self, wanted: int) -> None:
        """Let a ReplicaSet want so many pods of this namespace."""
        live = {
            "metadata": {"name": "web", "namespace": "shop", "uid": "rs-web"},
            "spec": {"replicas": wanted, "selector": {"matchLabels": {"app": "web"}}},
        }
        self.put(REPLICA_SET, live)

    def names(self) -> list[str]:
        """Return the names of all pods."""
        return [name for kind, name in self._objects if kind == POD.kind]

    def remove(self, name: str) -> None:
        """Let a pod be gone, and its controller make another one."""
        gone = self._objects.pop((POD.kind, name), None)
        if gone is None or owner_of(gone) is None or (REPLICA_SET.kind, "web") not in self._objects:
            return
        asyncio.get_running_loop().call_later(0.5, self._replace)

    async def read(self, kind: Kind, name: str, *, namespace: str = "") -> Object | None:
        """Return the object, or None."""
        await self._pass()
        return await super().read(kind, name, namespace=namespace)

    async def list(self, kind: Kind, *, namespace: str = "", label_selector: str = "") -> Listing:
        """Return all of a kind, whatever is selected."""
        await self._pass()
        return await super().list(kind, namespace=namespace, label_selector=label_selector)

    async def pods_on(self, node: str) -> Listing:
        """Return all pods; there is one node."""
        del node
        return await self.list(POD)

    async def evict(self, name: str, *, uid: str, namespace: str, grace_s: int | None) -> None:
        """Tell a pod to end, unless the test has it refused."""
        del namespace, grace_s
        self.requests.append((virtual_clock().monotonic(), name))
        await self._pass()
        await asyncio.sleep(self.evict_s)
        if refused := self.before_evict(name):
            raise refused
        self._tell(name, uid)
        await self._pass()
        if lost := self.after_evict(name):
            raise lost

    async def delete(
        self,
        kind: Kind,
        name: str,
        *,
        uid: str,
        namespace: str = "",
        resource_version: str = "",
        grace_s: int | None = None,
    ) -> Object:
        """Tell a pod to end."""
        del namespace, grace_s
        await self._pass()
        if self.before_delete:
            self.before_delete.pop(0)()
        live = await super().read(kind, name)
        if live is not None and live["metadata"]["resourceVersion"] != resource_version:
            raise ConflictError("Conflict", name)
        self._tell(name, uid)
        await self._pass()
        return {}

    def _tell(self, name: str, uid: str) -> None:
        live = self._objects.get((POD.kind, name))
        if live is None:
            raise NotFoundError("NotFound", name)
        if uid_of(live) != uid:
            raise ConflictError("Conflict", name)
        self.told.append(uid)
        self.put(POD, leaving(live))
        if self.end_s:
            asyncio.get_running_loop().call_later(self.end_s, self.remove, name)
        self._count_ready()

    def _replace(self) -> None:
        self._replaced += 1
        name = f"new-{self._replaced}"
        age_s = -virtual_clock().monotonic()
        self.put(POD, pod(name, age_s=age_s, ready=False))
        if self.ready_s:
            loop = asyncio.get_running_loop()
            loop.call_later(self.ready_s, lambda: self.put(POD, pod(name, age_s=age_s)))

    def _count_ready(self) -> None:
        live = [item for (kind, _), item in self._objects.items() if kind == POD.kind]
        ready = sum(is_ready(each) and not is_leaving(each) for each in live)
        self.fewest_ready = min(self.fewest_ready, ready)

    async def _pass(self) -> None:
        self.at_request()
        await asyncio.sleep(0)


def killing_at(crowd: Crowd, moment: int) -> Callable[[asyncio.Task[object]], None]:
    """Kill the task that is named later at the so-manieth moment of a request."""
    passed = 0
    victims: list[asyncio.Task[object]] = []

    def pass_by() -> None:
        nonlocal passed
        passed += 1
        if passed == moment:
            victims[0].cancel()

    crowd.at_request = pass_by
    return victims.append
