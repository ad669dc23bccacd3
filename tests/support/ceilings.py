"""Many orchestrators under two ceilings, on an API server whose requests wait for their turn.

There is no bus. Everything that must hold at every moment is held at every write.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
import structlog

from services.monitor.core.assess import assess
from services.orchestrator.service import Orchestrator
from shared.api.enums import ExecutionPhase, StepPhase
from shared.api.execution import ExecutionResults, KubernetesExecution
from shared.api.groups import CONCURRENCY_POOL, KUBERNETES_EXECUTION, WORKFLOW_EXECUTION
from shared.api.meta import ObjectMeta
from shared.api.pool import CLUSTER_POOL, NAMESPACE_POOL, ConcurrencyPool, PoolSpec
from shared.api.workflow import WorkflowExecution
from shared.contracts.subjects import Service
from shared.errors import TransientError
from shared.ids import ExecutionName, Uid
from shared.kube.apply import to_json
from shared.kube.events import EventRecorder
from shared.kube.objects import decoded
from shared.kube.port import Object
from shared.kube.store import ExecutionStore, WorkflowStore
from shared.limits import Limits, LiveLimits
from shared.telemetry.metrics import Metrics
from shared.worker.context import Context
from shared.worker.keys import WorkflowKey
from shared.worker.publisher import Publisher
from shared.worker.running import finisher
from shared.workflow.phases import derive
from tests.support.builders import make_workflow, planned, scale_step
from tests.support.stepped import ACTOR, SteppedCluster
from tests.support.virtual_time import virtual_clock

SYSTEM: Final = "kubernaut-system"
POOLS: Final = (("a", NAMESPACE_POOL), (SYSTEM, CLUSTER_POOL))
NAMES: Final = ("w0", "w1", "w2", "w3")
SPACES: Final[Mapping[str, str]] = {"w0": "a", "w1": "a", "w2": "a", "w3": "b"}
ROUNDS: Final = 30
"""More than the work left over needs, a wait for a look into a full pool included."""


@dataclass(frozen=True)
class Start:
    """A new replica looks at a workflow, and comes so many stops far."""

    workflow: int
    stops: int


@dataclass(frozen=True)
class Pass:
    """One that is held up goes on, for so many requests and answers."""

    whom: int
    stops: int


@dataclass(frozen=True)
class Kill:
    """A replica is killed where it is."""

    whom: int


@dataclass(frozen=True)
class Finish:
    """An execution ends well, and the monitor says so."""

    choice: int


@dataclass(frozen=True)
class Touch:
    """Somebody else writes a workflow."""

    workflow: int


@dataclass(frozen=True)
class Delete:
    """A person deletes a workflow."""

    workflow: int


@dataclass(frozen=True)
class Limit:
    """A person changes a limit."""

    pool: int
    limit: int


Move = Start | Pass | Kill | Finish | Touch | Delete | Limit


class NoBus:
    """A bus that is never there."""

    connected = False

    async def publish(self, *_: object, **__: object) -> None:
        raise TransientError("Disconnected")

    async def schedule(self, *_: object, **__: object) -> None:
        raise TransientError("Disconnected")

    async def consume(self, *_: object) -> None:
        raise TransientError("Disconnected")


class World:
    """Four workflows in two namespaces, one of which has a ceiling, and the ceiling of all."""

    def __init__(self, limits: tuple[int, int]) -> None:
        self.cluster = SteppedCluster(self._written)
        self.most = {"a": 0, "b": 0, "": 0}
        """Tokens at once, at most: of a namespace, and of all."""
        self._running: list[asyncio.Task[None]] = []
        self._clock = virtual_clock()
        for (namespace, name), limit in zip(POOLS, limits, strict=True):
            pool = ConcurrencyPool(
                metadata=ObjectMeta(name=name, namespace=namespace, uid=Uid(f"pool-{name}")),
                spec=PoolSpec(limit=limit),
            )
            self.cluster.put((CONCURRENCY_POOL.plural, namespace, name), to_json(pool))
        for number, name in enumerate(NAMES):
            self._add(name, SPACES[name], steps=number + 1)

    async def make(self, move: Move) -> None:
        """Let one thing happen, and everybody come to the next stop."""
        match move:
            case Start(workflow=number, stops=stops):
                await self._start(NAMES[number], stops)
            case Pass(whom=whom, stops=stops):
                if self._held_up:
                    await self._let_on(self._held_up[whom % len(self._held_up)], stops)
            case Kill(whom=whom):
                if self._held_up:
                    self._running[self._held_up[whom % len(self._held_up)]].cancel()
            case Finish(choice=choice):
                self._finish_one(choice)
            case _:
                self._interfere(move)
        await asyncio.sleep(1)

    def _interfere(self, move: Touch | Delete | Limit) -> None:
        match move:
            case Touch(workflow=number):
                place = _place(NAMES[number])
                if place in self.cluster.objects:
                    self.cluster.put(place, self.cluster.objects[place])
            case Delete(workflow=number):
                self._delete(NAMES[number])
            case Limit(pool=number, limit=limit):
                self._limit(number, limit)

    async def finish(self) -> None:
        """Let the living go on, and walk over the workflows until nothing is left to do."""
        self.cluster.free = True
        for number in self._held_up:
            self.cluster.let_on(number)
        await asyncio.sleep(5)
        replica = self._replica()
        for _ in range(ROUNDS):
            for name in sorted(self._workflows()):
                await self._look(name, replica)
            while self._finish_one(0):
                pass
            await asyncio.sleep(2)
        assert all(task.done() for task in self._running)
        for task in self._running:
            assert task.cancelled() or isinstance(task.exception(), TransientError | None)

    async def use_up(self) -> None:
        """See that a workflow that asks for every slot of its namespace gets it."""
        free = min(self._pool(number).spec.limit for number in range(len(POOLS)))
        self._add("last", "a", steps=5)
        replica = self._replica()
        for _ in range(ROUNDS):
            await self._look("last", replica)
            await asyncio.sleep(2)
        assert len(self._workflows()["last"].status.tokens) == free
        while self._workflows()["last"].status.tokens:
            self._finish_one(0)
            await self._look("last", replica)
            await asyncio.sleep(1)
        for number in range(len(POOLS)):
            held = self._pool(number).status.holders
            assert not any(each.workflow == "last" for each in held.values())

    def phases(self) -> dict[str, str]:
        """Return the phase of each workflow."""
        done = {StepPhase.COMPLETED}
        return {
            name: "Completed" if {s.phase for s in each.status.steps} == done else "Unfinished"
            for name, each in self._workflows().items()
        }

    def _workflows(self) -> dict[str, WorkflowExecution]:
        return {
            name: decoded(raw, WorkflowExecution)
            for (plural, _, name), raw in self.cluster.objects.items()
            if plural == WORKFLOW_EXECUTION.plural
        }

    def _pool(self, number: int) -> ConcurrencyPool:
        namespace, name = POOLS[number]
        raw = self.cluster.objects[CONCURRENCY_POOL.plural, namespace, name]
        return decoded(raw, ConcurrencyPool)

    def _add(self, name: str, namespace: str, *, steps: int) -> None:
        fresh = planned(make_workflow([scale_step(f"s{n}") for n in range(steps)], name=name))
        meta = msgspec.structs.replace(fresh.metadata, namespace=namespace, uid=Uid(f"uid-{name}"))
        body = to_json(msgspec.structs.replace(fresh, metadata=meta))
        self.cluster.put((WORKFLOW_EXECUTION.plural, namespace, name), body)

    @property
    def _held_up(self) -> list[int]:
        return [number for number, task in enumerate(self._running) if not task.done()]

    async def _start(self, name: str, stops: int) -> None:
        number = len(self._running)
        ACTOR.set(number)  # The task takes it over.
        self._running.append(asyncio.create_task(self._look(name, self._replica())))
        await asyncio.sleep(1)
        await self._let_on(number, stops)

    async def _let_on(self, number: int, stops: int) -> None:
        for _ in range(stops):
            if not self.cluster.let_on(number):
                return
            await asyncio.sleep(1)

    async def _look(self, name: str, replica: Orchestrator) -> None:
        space = SPACES.get(name, "a")
        key = WorkflowKey(namespace=space, name=name, uid=Uid(f"uid-{name}"))
        await replica.reconcile(key, ())

    def _finish_one(self, choice: int) -> bool:
        owners = {each.metadata.uid for each in self._workflows().values()}
        executions = {
            place: decoded(raw, KubernetesExecution)
            for place, raw in self.cluster.objects.items()
            if place[0] == KUBERNETES_EXECUTION.plural and _owner(raw) in owners
        }
        unfinished = sorted(p for p, each in executions.items() if not each.is_terminal)
        if not unfinished:
            return False
        place = unfinished[choice % len(unfinished)]
        done = _completed(executions[place], self._clock.now())
        self.cluster.put(place, to_json(done))
        self._judge(executions | {place: done}, done.spec.workflow_execution_ref.name)
        return True

    def _judge(self, executions: Mapping[Any, KubernetesExecution], name: str) -> None:
        workflow = self._workflows()[name]
        known = {ExecutionName(each.metadata.name): each for each in executions.values()}
        now = self._clock.now()
        after = assess(workflow, known, now=now)
        if after is not None:
            status = derive(workflow, after, now=now)
            body = to_json(msgspec.structs.replace(workflow, status=status))
            self.cluster.put(_place(name, workflow.metadata.namespace), body)

    def _delete(self, name: str) -> None:
        found = self._workflows().get(name)
        if found is None:
            return
        for place, raw in list(self.cluster.objects.items()):
            if place == _place(name) or _owner(raw) == found.metadata.uid:
                del self.cluster.objects[place]

    def _limit(self, number: int, limit: int) -> None:
        namespace, name = POOLS[number]
        place = (CONCURRENCY_POOL.plural, namespace, name)
        raw = self.cluster.objects[place]
        self.cluster.put(place, raw | {"spec": {"limit": limit}})

    def _written(self, before: Object, after: Object) -> None:
        """Hold what is true at every moment."""
        if after["kind"] == CONCURRENCY_POOL.kind:
            was, now = (decoded(each, ConcurrencyPool) for each in (before, after))
            assert now.status.in_use == len(now.status.holders)
            assert len(now.status.holders) <= max(now.spec.limit, len(was.status.holders))
        tokens = self._tokens()
        for number, (namespace, _) in enumerate(POOLS):
            space = "" if namespace == SYSTEM else namespace
            mine = {key for key, where in tokens.items() if space in {"", where}}
            assert mine <= self._pool(number).status.holders.keys()
            self.most[space] = max(self.most[space], len(mine))

    def _tokens(self) -> dict[str, str]:
        return {
            f"{each.metadata.uid}/{step}/{token.attempt}": each.metadata.namespace
            for each in self._workflows().values()
            for step, token in each.status.tokens.items()
        }

    def _replica(self) -> Orchestrator:
        return Orchestrator(context_on(self.cluster))


def context_on(cluster: SteppedCluster) -> Context:
    """Return the world of an orchestrator that looks at pools, in virtual time."""
    clock, metrics, service = virtual_clock(), Metrics(), Service.ORCHESTRATOR
    return Context(
        service=service,
        identity="test",
        clock=clock,
        cluster=cluster,
        bus=NoBus(),
        workflows=WorkflowStore(cluster, finish=finisher(service, clock, metrics)),
        executions=ExecutionStore(cluster),
        publisher=Publisher(NoBus(), clock=clock, service=service, identity="test"),
        recorder=EventRecorder(cluster, component="test", clock=clock),
        metrics=metrics,
        log=structlog.get_logger(),
        namespace="",
        system_namespace=SYSTEM,
        resync_s=30,
        limits=LiveLimits(Limits()),
        concurrency_pools=True,
    )


def _place(name: str, namespace: str = "") -> tuple[str, str, str]:
    return WORKFLOW_EXECUTION.plural, namespace or SPACES[name], name


def _owner(raw: Object) -> str:
    return next((each["uid"] for each in raw["metadata"].get("ownerReferences", [])), "")


def _completed(execution: KubernetesExecution, now: datetime) -> KubernetesExecution:
    status = msgspec.structs.replace(
        execution.status,
        phase=ExecutionPhase.COMPLETED,
        claimed_by="executor-0",
        claim_fence=1,
        start_time=now,
        completion_time=now,
        execution_results=ExecutionResults(success=True),
    )
    return msgspec.structs.replace(execution, status=status)
