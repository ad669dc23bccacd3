"""One service process from settings to shutdown: wiring by hand, in view.

The all-in-one process runs the same `ServiceProcess` six times on one loop.
"""

import asyncio
import os
import signal
import socket
import sys
import uuid
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import Final, Protocol

import structlog

from shared.api.groups import (
    AI_APPROVAL_REQUEST,
    CONCURRENCY_POOL,
    KUBERNETES_EXECUTION,
    NOTIFICATION_REQUEST,
    WORKFLOW_EXECUTION,
    Kind,
)
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import WorkflowStatus
from shared.bus.jetstream import JetStreamBus
from shared.clock import Clock, SystemClock
from shared.contracts.subjects import Service
from shared.errors import CannotStartError, MendflowError
from shared.kube.client import ApiCluster
from shared.kube.events import EventRecorder
from shared.kube.port import TargetCluster
from shared.kube.preflight import missing_crds
from shared.kube.store import ExecutionStore, WorkflowStore
from shared.limits import GitOps, Limits, LiveLimits
from shared.policy.engine import WorkerEngine
from shared.settings import Settings
from shared.telemetry import logging
from shared.telemetry.metrics import Metrics
from shared.telemetry.probes import ProbeServer, Readiness
from shared.waiting import happened
from shared.worker.checking import PolicyChecker
from shared.worker.config_maps import ConfigMapsWatch
from shared.worker.context import Context
from shared.worker.limits import LimitsWatch
from shared.worker.observing import CountingObserver
from shared.worker.policing import GUARDED, JUDGING, RECORDING, Policing
from shared.worker.publisher import Publisher
from shared.worker.reconciler import in_resync
from shared.worker.recording import LookRecorder
from shared.workflow import slices
from shared.workflow.phases import IllegalTransitionError, derive

_PREFLIGHT_S: Final = 2.0
_WITHOUT_BUS: Final = "degraded: not connected; work goes on from walks, more slowly"
_ALL_NEED: Final = (WORKFLOW_EXECUTION, KUBERNETES_EXECUTION)
NEEDED: Final[Mapping[Service, tuple[Kind, ...]]] = dict.fromkeys(Service, _ALL_NEED) | {
    Service.WATCHER: (*_ALL_NEED, AI_APPROVAL_REQUEST),
    Service.PLANNER: (*_ALL_NEED, AI_APPROVAL_REQUEST, NOTIFICATION_REQUEST),
}
"""The kinds that must be there before a service is ready."""


class Runnable(Protocol):
    """A service that works until it is cancelled."""

    async def run(self) -> None:
        """Work until cancelled."""
        ...

    def resync_now(self) -> None:
        """Walk all unfinished work soon."""
        ...


Logger = structlog.typing.FilteringBoundLogger
Build = Callable[[Context], Runnable]


class Process:
    """What the services of one process share: probes, metrics, clock."""

    def __init__(self, settings: Settings, *, pinned: frozenset[str] = frozenset()) -> None:
        """Build it; `pinned` names the settings that no ConfigMap changes."""
        self.settings = settings
        self.pinned = pinned
        self.clock: Clock = SystemClock()
        self.metrics = Metrics()
        self.readiness = Readiness()
        # A new name for each start: a claim of an earlier life is never mistaken for ours.
        boot = uuid.uuid4().hex[:6]  # noqa: TID251 - identity of a process, not of an object
        replica = settings.identity or f"{socket.gethostname()}-{os.getpid()}"
        self.identity = f"{replica}-{boot}"
        self._stopping = asyncio.Event()
        self._engine = WorkerEngine(
            clock=self.clock,
            workers=settings.policy_workers,
            timeout_s=settings.policy_timeout_s,
        )

    async def run(self, services: dict[Service, Build]) -> None:
        """Run services until SIGTERM or SIGINT."""
        logging.configure(level=self.settings.log_level, form=self.settings.log_format)
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, self._stopping.set)
        for service in services:
            self.readiness.set(_check(service), "the API server has not answered yet")
        async with AsyncExitStack() as stack:
            await self._serve_probes(stack)
            await self._open_engine(stack, services)
            tasks = [
                loop.create_task(self._run_service(service, build), name=str(service))
                for service, build in services.items()
            ]
            # One that crashes takes the others along; told to stop, all end by themselves.
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            self._stopping.set()
            await asyncio.gather(*tasks, return_exceptions=True)
            for task in done:
                task.result()

    async def _serve_probes(self, stack: AsyncExitStack) -> None:
        settings = self.settings
        health = ProbeServer(
            settings.host,
            settings.health_port,
            paths={
                "/healthz": lambda: (HTTPStatus.OK, b"ok\n"),
                "/readyz": self.readiness.answer,
            },
        )
        metrics = ProbeServer(
            settings.host,
            settings.metrics_port,
            paths={"/metrics": lambda: (HTTPStatus.OK, self.metrics.render())},
        )
        for server in (health, metrics):
            await server.start()
            stack.push_async_callback(server.stop)
        structlog.get_logger().info("listening", health=health.port, metrics=metrics.port)

    async def _open_engine(self, stack: AsyncExitStack, services: Iterable[Service]) -> None:
        """Start what evaluates policies, where a service asks it."""
        if GUARDED.isdisjoint(services):
            return
        if not self.settings.enable_validation_framework:
            structlog.get_logger().warning("conditions of steps are not evaluated")
        await stack.enter_async_context(self._engine)

    async def _run_service(self, service: Service, build: Build) -> None:
        settings = self.settings
        log = structlog.get_logger(service=str(service), identity=self.identity)
        cluster = await ApiCluster.connect(
            kubeconfig=settings.kubeconfig,
            context=settings.context,
            field_manager=f"mendflow-{_MANAGERS[service]}",
            qps=settings.qps,
            burst=settings.burst,
            clock=self.clock,
            on_wait=self.metrics.limiter_waited,
            on_request=self.metrics.requested,
        )
        async with cluster:
            await self._preflight(cluster, service, log)
            if self._stopping.is_set():
                return
            bus = JetStreamBus(
                settings.nats_url,
                name=f"mendflow-{service}-{self.identity}",
                service=service,
                clock=self.clock,
                credentials=settings.nats_credentials,
                observer=CountingObserver(self.metrics, service=service),
            )
            limits = LiveLimits(_limits(settings), pinned=self.pinned)
            limits.on_change(lambda now: cluster.limit(qps=now.qps, burst=now.burst))
            policing = Policing(self._engine, limits=limits, recorder=self._recorder(service, bus))
            context = self._context(service, cluster, bus, log, limits=limits, policing=policing)
            runnable = build(context)
            bus.on_reconnect(context.publisher.forget_timers)
            bus.on_reconnect(runnable.resync_now)
            self.readiness.note(f"bus-{service}", lambda: "" if bus.connected else _WITHOUT_BUS)
            log.info("started", service=str(service))
            try:
                await self._serve(context, bus, runnable, policing)
            finally:
                await context.recorder.flush()
            log.info("stopped")

    async def _serve(
        self, context: Context, bus: JetStreamBus, runnable: Runnable, policing: Policing
    ) -> None:
        """Work until told to stop, then end what is in hand within the time for that."""
        loop = asyncio.get_running_loop()
        stopping = loop.create_task(self._stopping.wait())
        working = [
            loop.create_task(work)
            for work in (
                bus.run(),
                *([policing.recorder.run()] if policing.recorder else []),
                *self._decide_by_config_maps(context, runnable, policing),
            )
        ]
        try:
            done, _ = await asyncio.wait([stopping, *working], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
            self.readiness.set("stopping", "shutting down")
            await bus.drain(grace_s=self.settings.drain_s)
        finally:
            # The bus goes last: what is given back needs its connection.
            for task in (stopping, *reversed(working)):
                task.cancel()
                await asyncio.wait([task])

    def _decide_by_config_maps(
        self, context: Context, runnable: Runnable, policing: Policing
    ) -> Sequence[Coroutine[None, None, None]]:
        """Return the work of a service, begun once it has read what it decides by, if it does."""
        if context.service not in GUARDED:
            return [runnable.run()]
        limits = LimitsWatch(context, on_change=runnable.resync_now)
        policies = policing.watch(context, on_change=runnable.resync_now)
        config_maps = ConfigMapsWatch(context, [limits, policies])
        service = _after([limits.read, policies.read], runnable)
        return [config_maps.run(), policies.run(), service]

    async def _preflight(self, cluster: ApiCluster, service: Service, log: Logger) -> None:
        """Wait for the kinds this service works with, saying which are missing."""
        check = _check(service)
        told = ""
        while not self._stopping.is_set():
            try:
                missing = await missing_crds(cluster, self._needed(service))
                problem = f"missing CRD {', '.join(missing)}" if missing else ""
            except MendflowError as error:
                problem = f"API server: {error}"
            self.readiness.set(check, problem)
            if not problem:
                return
            if problem != told:
                log.warning("not ready", problem=problem)
                told = problem
            await happened(self._stopping, within_s=_PREFLIGHT_S)

    def _needed(self, service: Service) -> tuple[Kind, ...]:
        with_pools = service is Service.ORCHESTRATOR and self.settings.concurrency_pools
        return (*NEEDED[service], CONCURRENCY_POOL) if with_pools else NEEDED[service]

    def _context(
        self,
        service: Service,
        cluster: ApiCluster,
        bus: JetStreamBus,
        log: Logger,
        *,
        limits: LiveLimits,
        policing: Policing,
    ) -> Context:
        settings, clock = self.settings, self.clock
        return Context(
            service=service,
            identity=self.identity,
            clock=clock,
            cluster=cluster,
            acting_as=self._acting_as(service, cluster, log),
            bus=bus,
            workflows=WorkflowStore(
                cluster,
                finish=finisher(service, clock, self.metrics),
                on_conflict=self.metrics.conflicted,
                on_written=self._on_written(service),
                on_given_up=self.metrics.status_given_up,
            ),
            executions=ExecutionStore(cluster),
            publisher=Publisher(bus, clock=clock, service=service, identity=self.identity),
            recorder=EventRecorder(
                cluster, component=f"mendflow-{_MANAGERS[service]}", clock=clock
            ),
            metrics=self.metrics,
            log=log,
            namespace=settings.namespace,
            system_namespace=settings.system_namespace,
            resync_s=settings.resync_s,
            limits=limits,
            concurrency_pools=settings.concurrency_pools,
            job_image=settings.job_image,
            checker=self._checker(service, cluster, policing),
        )

    def _acting_as(
        self, service: Service, cluster: ApiCluster, log: Logger
    ) -> Callable[[str], TargetCluster]:
        """Return who changes targets: the user that is named, or this service itself."""
        if self.settings.impersonate:
            return cluster.acting_as
        if service is Service.EXECUTOR:
            log.warning("actions are carried out with the executor's own rights")
        return lambda _: cluster

    def _checker(
        self, service: Service, cluster: ApiCluster, policing: Policing
    ) -> PolicyChecker | None:
        """Return who answers for steps; without conditions, changes are judged all the same."""
        on = self.settings.enable_validation_framework
        if service not in GUARDED or not (on or service in JUDGING):
            return None
        return policing.checker(cluster, self.clock, self.metrics, with_conditions=on)

    def _recorder(self, service: Service, bus: JetStreamBus) -> LookRecorder | None:
        if service not in RECORDING or not self.settings.record_policy_inputs:
            return None
        return LookRecorder(
            bus,
            clock=self.clock,
            service=service,
            identity=self.identity,
            metrics=self.metrics.policies,
        )

    def _on_written(self, service: Service) -> Callable[[str, float], None]:
        def count(namespace: str, seconds: float) -> None:
            self.metrics.status_written(namespace, seconds)
            if in_resync.get():
                self.metrics.resync_repaired(service=service)

        return count


_MANAGERS: Final = {
    Service.WATCHER: "watcher",
    Service.PLANNER: "planner",
    Service.ORCHESTRATOR: "orchestrator",
    Service.EXECUTOR: "executor",
    Service.MONITOR: "monitor",
    Service.ROLLBACK: "rollback",
}


def _check(service: Service) -> str:
    return f"crds-{service}"


async def _after(events: Sequence[asyncio.Event], runnable: Runnable) -> None:
    for event in events:
        await event.wait()
    await runnable.run()


def finisher(
    service: Service, clock: Clock, metrics: Metrics
) -> Callable[[WorkflowExecution, WorkflowStatus], WorkflowStatus]:
    """Return what completes a service's slice: the derived fields, and the guard around it."""

    def finish(workflow: WorkflowExecution, after: WorkflowStatus) -> WorkflowStatus:
        slices.check(service, before=workflow.status, after=after)
        try:
            derived = derive(workflow, after, now=clock.now())
        except IllegalTransitionError:
            metrics.transition_refused()
            raise
        return derived

    return finish


def _limits(settings: Settings) -> Limits:
    return Limits(
        max_parallel_steps=settings.max_parallel_steps,
        approval_threshold=settings.approval_threshold,
        qps=settings.qps,
        burst=settings.burst,
        gitops=GitOps(settings.gitops),
    )


def run_process(
    services: dict[Service, Build], settings: Settings, *, pinned: frozenset[str] = frozenset()
) -> int:
    """Run services in this process until it is told to stop; return the exit code.

    `pinned` names the settings that the environment gives, which no ConfigMap changes.
    """
    try:
        asyncio.run(Process(settings, pinned=pinned).run(services))
    except CannotStartError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0
