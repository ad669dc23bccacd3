"""Captures what undoes an execution, from the target as it is before the change (R2)."""

import msgspec

from services.executor.actions import mutations
from services.executor.actions.mutations import Mutation
from services.executor.core import changes, claims, operations
from services.executor.core.changes import RefusedError
from shared.api.enums import ExecutionKind, Intent
from shared.api.execution import CapturedInverse, KubernetesExecution
from shared.api.parameters import ActionParameters
from shared.clock import Clock
from shared.effects.catalogue import canonical, parameters_of
from shared.errors import FencedError
from shared.ids import Uid
from shared.kube.port import Cluster, Object
from shared.kube.store import ExecutionStore
from shared.workflow.names import operation_id


class Captures:
    """Captures inverses and keeps them on their executions."""

    def __init__(self, cluster: Cluster, executions: ExecutionStore, *, clock: Clock) -> None:
        self._cluster = cluster
        self._executions = executions
        self._clock = clock

    async def inverse(
        self, execution: KubernetesExecution, mutation: Mutation, live: Object
    ) -> CapturedInverse | None:
        """Return what undoes the change; None where the effect will find out why it cannot be."""
        if execution.spec.intent is not Intent.RUN or execution.spec.rollback_of is not None:
            return None
        started = msgspec.structs.replace(
            execution.status, start_time=execution.status.start_time or self._clock.now()
        )
        stamp = stamp_of(msgspec.structs.replace(execution, status=started))
        try:
            change = mutations.render(mutation, live, stamp=stamp)
        except RefusedError:
            return None
        address = mutations.address(mutation, execution.metadata.namespace)
        inverse = changes.inverse_of(change, live, address)
        earlier = await self._earlier(execution, live)
        if earlier is not None:
            inverse = changes.continued(inverse, earlier)
        if execution.spec.convergent and inverse.before == inverse.after:
            return changes.without_change(inverse)
        return inverse

    async def again(self, claim: KubernetesExecution, mutation: Mutation) -> KubernetesExecution:
        """Capture anew under a claim, because another workflow changed the target since.

        Raises:
            FencedError: when the claim is gone.
            TransientError: when it could not be stored; the change must then not be made.
        """
        address = mutations.address(mutation, claim.metadata.namespace)
        target = await self._cluster.read(address.kind, address.name, namespace=address.namespace)
        held = await self._executions.fetch(claim.metadata.namespace, claim.metadata.name)
        if held is None or not claims.holds(held, claim):
            raise FencedError("ClaimLost", f"{claim.metadata.name} is no longer ours")
        inverse = await self.inverse(held, mutation, target) if target is not None else None
        status = msgspec.structs.replace(held.status, rollback_information=inverse)
        return await self._executions.write_status(held, status)

    async def _earlier(
        self, execution: KubernetesExecution, live: Object
    ) -> CapturedInverse | None:
        """Return what an earlier attempt captured, if its change is on the target."""
        spec, meta = execution.spec, execution.metadata
        uid = Uid(spec.workflow_execution_ref.uid)
        made = {
            attempt
            for attempt in range(1, spec.attempt)
            if operations.is_stamped(
                live, operation_id(uid, spec.step_name, attempt, ExecutionKind.FORWARD)
            )
        }
        if not made:
            return None
        for each in await self._executions.of_workflow(meta.namespace, uid):
            same = each.spec.step_name == spec.step_name and each.spec.kind is spec.kind
            if same and each.spec.attempt == max(made):
                return each.status.rollback_information
        return None


def parameters_for(execution: KubernetesExecution) -> ActionParameters | None:
    """Return the parameters of an execution's action, or None when there are none."""
    action = canonical(execution.spec.action)
    return parameters_of(action, execution.spec.parameters) if action else None


def mutation_of(execution: KubernetesExecution) -> Mutation | None:
    """Return what an execution changes, or None when it changes nothing."""
    parameters = parameters_for(execution)
    return parameters if isinstance(parameters, Mutation) else None


def stamp_of(execution: KubernetesExecution) -> str:
    """Return the same time stamp for every try of one execution."""
    started = execution.status.start_time
    return started.isoformat().replace("+00:00", "Z") if started else ""
