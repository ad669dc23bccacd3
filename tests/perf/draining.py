"""How fast a node is drained, beside a bare client that asks for as many evictions at once."""

import asyncio
import time
from datetime import timedelta
from typing import Final

from services.executor.core.evictions import Progress
from services.executor.core.windows import HIGHEST
from services.executor.draining import Drain
from services.executor.stop import Stop
from shared.api.actions.nodes import DrainNode
from shared.clock import SystemClock
from shared.kube.client import ApiCluster
from shared.kube.port import Object
from tests.perf.figures import Figure
from tests.support.homes import Home, until

PODS: Final = 500
_LIMIT_S: Final = 300
_FIRST_NODE: Final = 60


async def measured(cluster: ApiCluster, namespace: str) -> list[Figure]:
    """Drain one node of 500 pods by our own means, and another one by bare requests."""
    homes = [
        await Home.made(cluster, number, namespace=namespace)
        for number in range(_FIRST_NODE, _FIRST_NODE + 2)
    ]
    ours, bare = [await _per_second(cluster, home, ours=home is homes[0]) for home in homes]
    for home in homes:
        await home.remove()
    return [
        Figure(
            name=f"draining a node of {PODS} pods",
            unit="evictions/s",
            measured=ours,
            raw=bare,
            raw_means=f"{HIGHEST} requests at a time, whatever comes of it",
        )
    ]


async def _per_second(cluster: ApiCluster, home: Home, *, ours: bool) -> float:
    await home.fill(PODS)
    await home.cordon()
    began = time.perf_counter()
    if ours:
        await _drain(cluster, home.name)
    else:
        await _evict_all(cluster, await home.pods())
    await until(home.pods, lambda pods: not pods)
    return PODS / (time.perf_counter() - began)


async def _drain(cluster: ApiCluster, node: str) -> None:
    async def progress(_: Progress) -> None:
        """Nobody listens."""

    clock = SystemClock()
    deadline = clock.now() + timedelta(seconds=_LIMIT_S)
    drain = Drain(cluster, clock=clock, deadline=deadline, stop=Stop(), progress=progress)
    await drain.run(DrainNode(node=node, force=True), started=clock.now())


async def _evict_all(cluster: ApiCluster, pods: list[Object]) -> None:
    gate = asyncio.Semaphore(HIGHEST)

    async def evict(pod: Object) -> None:
        meta = pod["metadata"]
        async with gate:
            await cluster.evict(
                meta["name"], uid=meta["uid"], namespace=meta["namespace"], grace_s=None
            )

    await asyncio.gather(*(evict(pod) for pod in pods))
