"""Runs workflows as a user does, and knows how long each took."""

import asyncio
import time
from collections.abc import Sequence
from itertools import chain

from shared.api.groups import DEPLOYMENT, WORKFLOW_EXECUTION
from shared.kube.client import ApiCluster
from tests.perf.observed import Bystander
from tests.perf.workload import (
    BURST_LIMIT,
    burst_targets,
    burst_workload,
    guarded_workload,
    hostile_workload,
    target,
    workload,
)


class Load:
    """Workflows through Mendflow."""

    def __init__(self, cluster: ApiCluster, namespace: str, seen: Bystander) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._seen = seen
        self._applied: dict[str, float] = {}

    async def one(self, name: str) -> None:
        """Apply a workflow with a Deployment of its own and wait for its end.

        Raises:
            RuntimeError: when it did not complete: a figure of it would mean nothing.
        """
        cluster, namespace = self._cluster, self._namespace
        await cluster.create(DEPLOYMENT, target(name), namespace=namespace)
        self._applied[name] = time.perf_counter()
        await cluster.create(WORKFLOW_EXECUTION, workload(name), namespace=namespace)
        phase = await self._seen.until_ended(name)
        if phase != "Completed":
            message = f"workflow {name} ended {phase}"
            raise RuntimeError(message)

    async def burst(self, names: Sequence[str]) -> float:
        """Apply workflows of five steps all at once; return the seconds until all have ended.

        Raises:
            RuntimeError: when one did not complete, or had more in flight than it allows.
        """
        cluster, namespace = self._cluster, self._namespace
        for name in names:
            for made in burst_targets(name):
                await cluster.create(DEPLOYMENT, made, namespace=namespace)
        began = time.perf_counter()
        await asyncio.gather(
            *(
                cluster.create(WORKFLOW_EXECUTION, burst_workload(name), namespace=namespace)
                for name in names
            )
        )
        phases = {name: await self._seen.until_ended(name) for name in names}
        took = max(self._seen.ended[name][0] for name in names) - began
        wrong = {name: phase for name, phase in phases.items() if phase != "Completed"}
        most = max(self._seen.most_in_flight[name] for name in names)
        if wrong or most > BURST_LIMIT:
            message = f"not completed: {wrong}; at most {most} in flight, {BURST_LIMIT} allowed"
            raise RuntimeError(message)
        return took

    async def guarded(self, names: Sequence[str]) -> list[float]:
        """Apply guarded workflows all at once; return the seconds that each took.

        Raises:
            RuntimeError: when one did not complete.
        """
        cluster, namespace = self._cluster, self._namespace
        for name in names:
            await cluster.create(DEPLOYMENT, target(name), namespace=namespace)
        began = time.perf_counter()
        await asyncio.gather(
            *(
                cluster.create(WORKFLOW_EXECUTION, guarded_workload(name), namespace=namespace)
                for name in names
            )
        )
        phases = {name: await self._seen.until_ended(name) for name in names}
        if set(phases.values()) != {"Completed"}:
            message = f"not completed: {phases}"
            raise RuntimeError(message)
        return [self._seen.ended[name][0] - began for name in names]

    async def hostile(self, name: str) -> None:
        """Apply a workflow whose policies never end, and let it be."""
        cluster, namespace = self._cluster, self._namespace
        await cluster.create(DEPLOYMENT, target(name), namespace=namespace)
        await cluster.create(WORKFLOW_EXECUTION, hostile_workload(name), namespace=namespace)

    def to_effect(self) -> list[float]:
        """Return the seconds from apply to the first change of a Deployment."""
        return [self._seen.effects[name] - at for name, at in self._applied.items()]

    def hand_offs(self) -> list[float]:
        """Return the seconds from the end of each step to the start of the next."""
        return list(chain.from_iterable(self._seen.hand_offs(name) for name in self._applied))
