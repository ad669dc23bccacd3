"""A service that is killed at one of its requests: before it is sent, or once it was answered.

The kill is a real one, of the process that makes the request. Between two requests nothing
outside can change, so these are all the moments at which a death can make a difference.
"""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from enum import StrEnum
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from services.executor.holders import Holders
from services.executor.service import Executor
from services.rollback.service import Rollback
from shared.api.execution import KubernetesExecution
from shared.api.groups import KUBERNETES_EXECUTION
from shared.clock import SystemClock
from shared.contracts.subjects import Service
from shared.errors import MendflowError
from shared.kube.access import configuration_of
from shared.kube.client import ApiCluster
from shared.kube.events import EventRecorder
from shared.kube.lease import LeaseHolder
from shared.kube.ratelimit import RateLimiter
from shared.kube.store import ExecutionStore, WorkflowStore
from shared.limits import Limits, LiveLimits
from shared.outcome import Ack
from shared.telemetry.metrics import Metrics
from shared.worker.context import Context
from shared.worker.keys import WorkflowKey
from shared.worker.publisher import Publisher
from shared.worker.running import finisher
from tests.support.ceilings import NoBus

_CLAIMS: Final = 8
"""How often an execution is taken up until it has ended."""
_LOOKS: Final = 16
"""How often a workflow is looked at until it is undone."""
_NOTHING: Final = "nothing to undo"
_WAITS: Final = f"WATCH {KUBERNETES_EXECUTION.plural}"
_CHILDREN: Final = multiprocessing.get_context("forkserver")
_CHILDREN.set_forkserver_preload(["tests.support.dying"])


class When(StrEnum):
    """On which side of a request."""

    BEFORE = "before"
    AFTER = "after"


class Death(msgspec.Struct, frozen=True, kw_only=True):
    """At which request a process ends."""

    at: int
    when: When
    of: str = ""
    """Which answers count, by verb and resource; all where it is empty."""

    def __str__(self) -> str:
        """Return it as people say it."""
        return f"{self.when} request {self.at}"


NEVER: Final = Death(at=0, when=When.BEFORE)
CLAIMED: Final = Death(at=1, when=When.AFTER, of="PUBLISH claimed")
"""Once an execution is claimed, and nothing more."""


class Fate(RateLimiter):
    """Counts the requests of a process, and ends it at one of them."""

    def __init__(self, death: Death) -> None:
        super().__init__(qps=0, burst=1, clock=SystemClock())
        self._death = death
        self._answers = 0
        self.requests = 0
        self.waits = asyncio.Event()
        """Whether it waits for the end of an execution."""

    def lifted(self) -> "Fate":
        """Return itself: what no limit holds up is a request all the same."""
        return self

    async def wait(self) -> None:
        """Begin a request."""
        self.requests += 1
        self._meet(When.BEFORE, self.requests)

    def answered(self, verb: str, resource: str, *_: object) -> None:
        """End a request: what was asked is done, and nobody has looked at the answer."""
        asked = f"{verb} {resource}"
        if self._death.of in {"", asked}:
            self._answers += 1
            self._meet(When.AFTER, self._answers)
        if asked == _WAITS:
            self.waits.set()

    def _meet(self, when: When, at: int) -> None:
        if (self._death.when, self._death.at) == (when, at):
            os.kill(os.getpid(), signal.SIGKILL)


class FatefulBus(NoBus):
    """A bus that takes every message, and keeps none."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate

    async def publish(self, *words: object, **__: object) -> None:
        """Lose a message."""
        await self._fate.wait()
        self._fate.answered("PUBLISH", str(words[0]).rpartition(".")[2])

    async def schedule(self, *_: object, **__: object) -> None:
        """Lose a timer."""
        await self._fate.wait()
        self._fate.answered("SCHEDULE", "")


class Alone(Executor):
    """An executor that is told of one execution at a time, and of nothing else."""

    async def take_up(self, execution: KubernetesExecution) -> None:
        """Carry an execution out; where another workflow holds its target, wait for that first."""
        async with asyncio.TaskGroup() as self._tasks:
            try:
                await self.carry_out(execution)
            except MendflowError:
                return


class AllGone(Holders):
    """Sees no other executor alive."""

    def is_replaceable(self, holder: str) -> bool:
        """Return that anybody's claim may be taken up."""
        del holder
        return True


async def fated_cluster(kubeconfig: Path, fate: Fate, *, manager: str) -> ApiCluster:
    """Return the API server as a process sees it that has a fate; to be entered."""
    return ApiCluster(
        await configuration_of(str(kubeconfig), ""),
        field_manager=manager,
        limiter=fate,
        on_request=fate.answered,
    )


def context_of(
    service: Service, cluster: ApiCluster, fate: Fate, *, identity: str, namespace: str
) -> Context:
    """Return the world of a service that knows one API server, and no policies."""
    clock, metrics, bus = SystemClock(), Metrics(), FatefulBus(fate)
    return Context(
        service=service,
        identity=identity,
        clock=clock,
        cluster=cluster,
        acting_as=cluster.acting_as,
        bus=bus,
        workflows=WorkflowStore(cluster, finish=finisher(service, clock, metrics)),
        executions=ExecutionStore(cluster),
        publisher=Publisher(bus, clock=clock, service=service, identity=identity),
        recorder=EventRecorder(cluster, component=identity, clock=clock),
        metrics=metrics,
        log=structlog.get_logger(),
        namespace=namespace,
        system_namespace=namespace,
        resync_s=30,
        limits=LiveLimits(Limits()),
    )


async def carry_out(
    kubeconfig: Path,
    *,
    namespace: str,
    name: str,
    identity: str,
    death: Death = NEVER,
    holder: str = "",
) -> int:
    """Carry out an execution to its end as an executor does; return how many requests it took.

    Another execution that holds its target ends as soon as somebody waits for that.
    """
    fate, unharmed = Fate(death), Fate(NEVER)
    async with (
        await fated_cluster(kubeconfig, fate, manager="mendflow-executor") as cluster,
        await fated_cluster(kubeconfig, unharmed, manager="tests") as others,
        asyncio.TaskGroup() as tasks,
    ):
        executions = ExecutionStore(others)
        ending = tasks.create_task(_end_when_awaited(fate, executions, namespace, holder))
        context = context_of(
            Service.EXECUTOR, cluster, fate, identity=identity, namespace=namespace
        )
        executor = _executor(context)
        for _ in range(_CLAIMS):
            execution = await context.executions.fetch(namespace, name)
            if execution is None or execution.is_terminal:
                break
            await executor.take_up(execution)
        ending.cancel()
        return fate.requests


async def way_back(
    kubeconfig: Path, *, key: WorkflowKey, identity: str, death: Death = NEVER
) -> int:
    """Undo a workflow as the rollback service does, with an executor that nothing happens to.

    Returns how many requests it took.
    """
    fate, unharmed = Fate(death), Fate(NEVER)
    space = key.namespace
    async with (
        await fated_cluster(kubeconfig, fate, manager="mendflow-rollback") as cluster,
        await fated_cluster(kubeconfig, unharmed, manager="tests") as others,
    ):
        service = Service.ROLLBACK
        rollback = Rollback(context_of(service, cluster, fate, identity=identity, namespace=space))
        executions = ExecutionStore(others)
        for _ in range(_LOOKS):
            outcome = await rollback.reconcile(key, [])
            found = await executions.of_workflow(space, key.uid)
            open_ = [each.metadata.name for each in found if not each.is_terminal]
            for name in open_:
                await carry_out(kubeconfig, namespace=space, name=name, identity="executor")
            if not open_ and outcome == Ack(note=_NOTHING):
                break
        return fate.requests


async def is_killed(work: Callable[..., Awaitable[int]], **given: Any) -> bool:
    """Do some work in a process of its own; return whether that was killed."""
    child = _CHILDREN.Process(target=_run, args=(work,), kwargs=given)
    child.start()
    await _end(child)
    assert child.exitcode in {0, -signal.SIGKILL}, f"exit code {child.exitcode}"
    return child.exitcode != 0


def _run(work: Callable[..., Coroutine[Any, Any, int]], **given: Any) -> None:
    asyncio.run(work(**given))


async def _end(child: ForkServerProcess) -> None:
    """Wait for the end of a process; nobody else may do so in another thread."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(child.sentinel, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(child.sentinel)
    child.join()


async def _end_when_awaited(
    fate: Fate, executions: ExecutionStore, namespace: str, holder: str
) -> None:
    await fate.waits.wait()
    live = await executions.fetch(namespace, holder)
    if live is not None and not live.is_terminal:
        await executions.cancel(live, message="lets go", now=SystemClock().now())


def _executor(context: Context) -> Alone:
    own = LeaseHolder(
        context.cluster,
        namespace=context.system_namespace,
        name=context.identity,
        identity=context.identity,
        component="mendflow-executor",
        clock=context.clock,
    )
    holders = AllGone(
        context.cluster, own=own, namespace=context.system_namespace, clock=context.clock
    )
    return Alone(context, holders)
