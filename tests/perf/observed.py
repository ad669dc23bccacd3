"""What a bystander sees: when each object reached which state, by one clock."""

import asyncio
import time
from typing import Self

from shared.api.groups import DEPLOYMENT, KUBERNETES_EXECUTION, WORKFLOW_EXECUTION, Kind
from shared.clock import SystemClock
from shared.kube.client import ApiCluster
from shared.kube.port import Object
from shared.kube.watch import ListWatch
from tests.perf.workload import STEPS
from tests.support.watching import FINISHED

_ENDED = frozenset({"Completed", "Failed", "RolledBack", "RollbackFailed", "Degraded"})


class Bystander:
    """Watches workflows, executions and Deployments of one namespace."""

    def __init__(self, cluster: ApiCluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._tasks: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()
        self.effects: dict[str, float] = {}
        """When the Deployment of each workflow first changed."""
        self.ended: dict[str, tuple[float, str]] = {}
        """When each workflow ended, and how."""
        self.most_in_flight: dict[str, int] = {}
        """Executions of each workflow that had not ended, at most."""
        self._in_flight: dict[str, set[str]] = {}
        self._appeared: dict[tuple[str, str], float] = {}
        self._finished: dict[tuple[str, str], float] = {}

    async def __aenter__(self) -> Self:
        for kind in (WORKFLOW_EXECUTION, KUBERNETES_EXECUTION, DEPLOYMENT):
            self._tasks.append(asyncio.create_task(self._follow(kind)))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def until_ended(self, name: str) -> str:
        """Wait until a workflow has ended and return its phase."""
        async with asyncio.timeout(120):
            while name not in self.ended:
                self._news.clear()
                await self._news.wait()
        return self.ended[name][1]

    def hand_offs(self, name: str) -> list[float]:
        """Return the seconds from the end of each step to the start of the next."""
        return [
            self._appeared[name, f"s{number + 1}"] - self._finished[name, f"s{number}"]
            for number in range(STEPS - 1)
        ]

    async def _follow(self, kind: Kind) -> None:
        changes = ListWatch(
            self._cluster, kind, namespace=self._namespace, clock=SystemClock()
        ).changes()
        async for change in changes:
            self._note(kind, change.object, time.perf_counter())
            self._news.set()

    def _note(self, kind: Kind, found: Object, now: float) -> None:
        name, phase = found["metadata"]["name"], found.get("status", {}).get("phase", "")
        if kind is DEPLOYMENT:
            if found["metadata"].get("generation", 1) > 1:
                self.effects.setdefault(name, now)
        elif kind is WORKFLOW_EXECUTION:
            if phase in _ENDED:
                self.ended.setdefault(name, (now, phase))
        else:
            spec = found["spec"]
            key = (spec["workflowExecutionRef"]["name"], spec["stepName"])
            self._count(key[0], name, ended=phase in FINISHED)
            self._appeared.setdefault(key, now)
            if phase in FINISHED:
                self._finished.setdefault(key, now)

    def _count(self, workflow: str, execution: str, *, ended: bool) -> None:
        flying = self._in_flight.setdefault(workflow, set())
        if ended:
            flying.discard(execution)
        else:
            flying.add(execution)
        self.most_in_flight[workflow] = max(self.most_in_flight.get(workflow, 0), len(flying))
