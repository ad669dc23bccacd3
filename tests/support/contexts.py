"""The world of a service that has an API server, virtual time, and nothing else."""

import structlog

from shared.contracts.subjects import Service
from shared.kube.events import EventRecorder
from shared.kube.port import Cluster
from shared.kube.store import ExecutionStore, WorkflowStore
from shared.limits import Limits, LiveLimits
from shared.telemetry.metrics import Metrics
from shared.worker.context import Context
from shared.worker.publisher import Publisher
from shared.worker.running import finisher
from tests.support.ceilings import NoBus
from tests.support.virtual_time import virtual_clock


def context_over(cluster: Cluster, service: Service) -> Context:
    """Return the world of a service; to be called in virtual time."""
    clock, metrics, bus = virtual_clock(), Metrics(), NoBus()
    return Context(
        service=service,
        identity="test",
        clock=clock,
        cluster=cluster,
        bus=bus,
        workflows=WorkflowStore(cluster, finish=finisher(service, clock, metrics)),
        executions=ExecutionStore(cluster),
        publisher=Publisher(bus, clock=clock, service=service, identity="test"),
        recorder=EventRecorder(cluster, component="test", clock=clock),
        metrics=metrics,
        log=structlog.get_logger(),
        namespace="default",
        system_namespace="default",
        resync_s=30,
        limits=LiveLimits(Limits()),
    )
