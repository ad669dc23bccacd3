"""The policies of one service: those in force, who evaluates them, and what follows them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from shared.clock import Clock
from shared.contracts.subjects import Service
from shared.kube.port import Cluster
from shared.limits import Limits, LiveLimits
from shared.policy.library import LivePolicies
from shared.policy.port import PolicyEngine
from shared.policy.shipped import defaults
from shared.telemetry.metrics import Metrics
from shared.worker.checking import PolicyChecker
from shared.worker.cluster_state import ClusterReader
from shared.worker.context import Context
from shared.worker.policies import PoliciesWatch
from shared.worker.recording import LookRecorder

GUARDED: Final = frozenset(
    {Service.PLANNER, Service.ORCHESTRATOR, Service.MONITOR, Service.ROLLBACK}
)
"""Services that work by policies, and by limits, which ConfigMaps may change."""
RECORDING: Final = frozenset({Service.ORCHESTRATOR, Service.MONITOR, Service.ROLLBACK})
"""Services whose looks are recorded; the planner only asks whether policies are usable."""
JUDGING: Final = frozenset({Service.ORCHESTRATOR, Service.ROLLBACK})
"""Services that have every change judged by the safety policies."""


@dataclass(frozen=True)
class Policing:
    """What guards the steps, as one service sees it."""

    engine: PolicyEngine
    limits: LiveLimits = field(default_factory=lambda: LiveLimits(Limits()))
    live: LivePolicies = field(default_factory=lambda: LivePolicies(defaults()))
    recorder: LookRecorder | None = None
    """Keeps what policies were asked; None where that is not wanted."""

    def checker(
        self, cluster: Cluster, clock: Clock, metrics: Metrics, *, with_conditions: bool
    ) -> PolicyChecker:
        """Return what answers for changes, and for the conditions of steps if those count."""
        return PolicyChecker(
            engine=self.engine,
            policies=self.live,
            inputs=ClusterReader(cluster, clock, limits=self.limits),
            metrics=metrics.policies,
            with_conditions=with_conditions,
            recorder=self.recorder,
        )

    def watch(self, context: Context, *, on_change: Callable[[], None]) -> PoliciesWatch:
        """Return what follows the ConfigMap of policies."""
        return PoliciesWatch(context, engine=self.engine, live=self.live, on_change=on_change)
