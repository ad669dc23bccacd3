"""What a service is handed at start: its ports, its stores, its name.

Wired by hand in `shared.worker.running`; nothing below it reads the environment.
"""

from collections.abc import Callable
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from shared.bus.port import Bus
from shared.clock import Clock
from shared.contracts.subjects import Service
from shared.kube.events import EventRecorder
from shared.kube.port import Cluster, TargetCluster
from shared.kube.store import ExecutionStore, WorkflowStore
from shared.limits import LiveLimits
from shared.telemetry.metrics import Metrics
from shared.worker.checks import Checker
from shared.worker.publisher import Publisher


def _nobody(user: str) -> TargetCluster:
    message = f"this service does nothing on behalf of {user}"
    raise RuntimeError(message)


@dataclass(frozen=True, kw_only=True)
class Context:
    """The world as one service sees it."""

    service: Service
    identity: str
    """Name of this replica; two replicas never share one."""
    clock: Clock
    cluster: Cluster
    bus: Bus
    workflows: WorkflowStore
    executions: ExecutionStore
    publisher: Publisher
    recorder: EventRecorder
    metrics: Metrics
    log: FilteringBoundLogger
    namespace: str
    """Namespace to work in; empty for all."""
    system_namespace: str
    """Where leases are kept."""
    resync_s: float
    """Mean period of the walk over all unfinished workflows."""
    limits: LiveLimits
    concurrency_pools: bool = False
    """Whether ConcurrencyPools are looked at."""
    job_image: str = ""
    """What commands of `custom` run in; empty where none is configured."""
    checker: Checker | None = None
    """The policies that guard every step; None where nothing is guarded."""
    acting_as: Callable[[str], TargetCluster] = _nobody
    """The API server on behalf of a user, by name; only for who changes targets."""
