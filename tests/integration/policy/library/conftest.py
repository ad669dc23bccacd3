"""A service's watch of policies, in a namespace of each test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import structlog
from prometheus_client import CollectorRegistry

from shared.clock import SystemClock
from shared.contracts.subjects import Service
from shared.kube.client import ApiCluster
from shared.kube.events import EventRecorder
from shared.kube.store import ExecutionStore, WorkflowStore
from shared.limits import Limits, LiveLimits
from shared.policy.engine import WorkerEngine
from shared.policy.library import LivePolicies
from shared.policy.shipped import defaults
from shared.telemetry.metrics import Metrics
from shared.worker.config_maps import ConfigMapsWatch
from shared.worker.context import Context
from shared.worker.policies import PoliciesWatch
from shared.worker.publisher import Publisher
from shared.worker.running import finisher
from tests.support.ceilings import NoBus
from tests.support.kubectl import Kubectl
from tests.support.namespaces import empty_namespace
from tests.support.policies import WITHIN_S, HeldEngine, Watched

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster


@pytest.fixture
def kubectl(cluster: "LocalCluster", request: pytest.FixtureRequest) -> Kubectl:
    """Kubectl in the namespace where the ConfigMap is."""
    return empty_namespace(cluster, request.node.name.removeprefix("test_"))


@pytest.fixture
async def engine() -> AsyncIterator[WorkerEngine]:
    """What checks and evaluates policies."""
    async with WorkerEngine(clock=SystemClock()) as running:
        yield running


@pytest.fixture
async def watched(
    cluster: "LocalCluster", kubectl: Kubectl, engine: WorkerEngine
) -> AsyncIterator[Watched]:
    """A watch in a running service."""
    clock = SystemClock()
    api = await ApiCluster.connect(
        kubeconfig=str(cluster.kubeconfig), field_manager="tests", qps=0, burst=1, clock=clock
    )
    async with api:
        registry, recorder = CollectorRegistry(), EventRecorder(api, component="t", clock=clock)
        context = _context(api, kubectl.namespace, Metrics(registry), recorder)
        seen = Watched(LivePolicies(defaults()), HeldEngine(engine), registry, recorder)
        watch = PoliciesWatch(
            context,
            engine=seen.engine,
            live=seen.live,
            on_change=seen.note,
            refused_again_s=0.2,
        )
        async with _running(ConfigMapsWatch(context, [watch]), watch):
            yield seen


@asynccontextmanager
async def _running(config_maps: ConfigMapsWatch, watch: PoliciesWatch) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(config_maps.run()), asyncio.create_task(watch.run())]
    try:
        async with asyncio.timeout(WITHIN_S):
            await watch.read.wait()
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def _context(api: ApiCluster, namespace: str, metrics: Metrics, recorder: EventRecorder) -> Context:
    clock, service, bus = SystemClock(), Service.MONITOR, NoBus()
    return Context(
        service=service,
        identity="test",
        clock=clock,
        cluster=api,
        bus=bus,
        workflows=WorkflowStore(api, finish=finisher(service, clock, metrics)),
        executions=ExecutionStore(api),
        publisher=Publisher(bus, clock=clock, service=service, identity="test"),
        recorder=recorder,
        metrics=metrics,
        log=structlog.get_logger(),
        namespace=namespace,
        system_namespace=namespace,
        resync_s=30,
        limits=LiveLimits(Limits()),
    )
