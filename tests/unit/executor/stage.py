"""One Deployment and one claimed step, in an API server in memory and in virtual time."""

from datetime import timedelta
from typing import Final

import msgspec

from services.executor.actions import waiting
from services.executor.capture import Captures, mutation_of
from services.executor.core import claims, stamps
from services.executor.core.captures import Mutation
from services.executor.core.changes import Done
from services.executor.effect import Effect
from services.executor.held import HeldClaim
from services.executor.ledger import LedgerCluster
from services.executor.settling import Settling
from services.executor.stop import Stop
from shared.api.enums import ExecutionPhase
from shared.api.execution import KubernetesExecution
from shared.api.groups import DEPLOYMENT, KUBERNETES_EXECUTION
from shared.api.parameters import WaitForCondition
from shared.ids import Uid
from shared.kube.store import ExecutionStore
from shared.limits import GitOps
from tests.support.builders import execution_of, make_workflow, planned, scale_step
from tests.support.virtual_time import virtual_clock
from tests.unit.executor.little_cluster import LittleCluster, stored
from tests.unit.executor.live import Object, live_deployment

LIMIT_S: Final = 300
OTHER = Uid("0b5f7f0e-0000-4000-8000-000000000002")


class Stage:
    """A Deployment of two replicas, and a claimed step that is to make it three."""

    def __init__(self, cluster: LittleCluster | None = None) -> None:
        self.cluster = cluster or LittleCluster()
        self.executions = ExecutionStore(self.cluster)
        self.captures = Captures(
            self.cluster, self.executions, clock=virtual_clock(), gitops=GitOps.REFUSE
        )
        self.stop = Stop()
        self.workflow = planned(make_workflow([scale_step("web", replicas=3)]))
        self.cluster.put(DEPLOYMENT, live_deployment())

    async def claimed(
        self, *, attempt: int = 1, convergent: bool = False, dry_run: bool = False
    ) -> KubernetesExecution:
        """Claim an attempt as the executor does."""
        execution = execution_of(self.workflow, "web", attempt=attempt)
        spec = msgspec.structs.replace(execution.spec, convergent=convergent, dry_run=dry_run)
        execution = msgspec.structs.replace(execution, spec=spec)
        live = self.target()
        inverse = await self.captures.at_claim(execution, mutation_for(execution), live)
        status = claims.claimed(execution, holder="e", now=virtual_clock().now(), inverse=inverse)
        self.cluster.put(
            KUBERNETES_EXECUTION, stored(msgspec.structs.replace(execution, status=status))
        )
        found = await self.executions.fetch("default", execution.metadata.name)
        assert found is not None
        return found

    def effect(self, claim: KubernetesExecution) -> Effect:
        """Return the effect of a claim that has five minutes from its start."""
        assert claim.status.start_time is not None
        held = HeldClaim(self.executions, claim)
        return Effect(
            LedgerCluster(self.cluster, held),
            self.executions,
            held,
            mutation_for(claim),
            clock=virtual_clock(),
            deadline=claim.status.start_time + timedelta(seconds=LIMIT_S),
            stop=self.stop,
            gitops=GitOps.REFUSE,
        )

    async def look(self, claim: KubernetesExecution, wanted: WaitForCondition) -> Done:
        """Wait for a condition as the executor does."""
        assert claim.status.start_time is not None
        deadline = claim.status.start_time + timedelta(seconds=LIMIT_S)
        settling = Settling(self.cluster, clock=virtual_clock(), deadline=deadline, stop=self.stop)
        address = waiting.address(wanted, "default")
        return await settling.wait(
            address, lambda live: waiting.judge(wanted, live), if_stopped="stopped"
        )

    def target(self) -> Object:
        """Return the Deployment as it is."""
        return self.cluster.get(DEPLOYMENT, "web")

    def roll_out(self) -> None:
        """Do as the Deployment controller: make all replicas available."""
        live = self.target()
        wanted = live["spec"]["replicas"]
        for count in ("replicas", "updatedReplicas", "availableReplicas"):
            live["status"][count] = wanted
        self.cluster.put(DEPLOYMENT, live)

    def change(self, **spec: object) -> None:
        """Do as somebody else who changes the Deployment."""
        live = self.target()
        live["spec"] |= spec
        self.cluster.put(DEPLOYMENT, live)

    def hold(self, phase: ExecutionPhase = ExecutionPhase.RUNNING) -> KubernetesExecution:
        """Let an execution of another workflow hold the Deployment."""
        other = make_workflow([scale_step("web")], name="other")
        other = msgspec.structs.replace(
            other, metadata=msgspec.structs.replace(other.metadata, uid=OTHER)
        )
        holder = execution_of(planned(other), "web", claimed=True, phase=phase)
        self.cluster.put(KUBERNETES_EXECUTION, stored(holder))
        live = self.target()
        live["metadata"]["annotations"] |= stamps.annotations(live, holder)
        self.cluster.put(DEPLOYMENT, live)
        return holder


def mutation_for(execution: KubernetesExecution) -> Mutation:
    """Return what an execution changes; the test knows that there is something."""
    mutation = mutation_of(execution)
    assert mutation is not None
    return mutation
