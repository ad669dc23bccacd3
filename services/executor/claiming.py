"""Takes up an execution: looks whether its target is free, then claims it.

The claim is a compare-and-swap that also stores what undoes the change (R2). An execution
whose target another workflow holds stays unclaimed, so that its time does not run.
"""

import asyncio
from typing import Final

import msgspec

from services.executor.acting import targets_for
from services.executor.capture import Captures, mutation_of
from services.executor.capturing_pods import captured_pods
from services.executor.core import blocked, claims, locks
from services.executor.core.captures import Mutation
from services.executor.core.changes import Address
from services.executor.held import HeldClaim
from services.executor.ledger import LedgerCluster
from services.executor.locking import TargetLocks
from shared.api.enums import Intent
from shared.api.execution import CapturedInverse, KubernetesExecution
from shared.contracts.subjects import Fact
from shared.errors import ConflictError, PermanentError
from shared.kube.port import Object
from shared.worker.context import Context

_AGAIN_S: Final = 0.05


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """The target is another workflow's for now."""

    holder: KubernetesExecution


class Unseen(msgspec.Struct, frozen=True):
    """Nobody looked at a target, or nobody may: the effect will find out why."""


class Claiming:
    """Claims executions under one identity."""

    def __init__(self, context: Context, *, identity: str) -> None:
        self._context = context
        self._identity = identity

    async def claim(self, execution: KubernetesExecution) -> KubernetesExecution | Held:
        """Return the claimed execution, or who holds its target.

        Raises:
            ConflictError: when the execution is not as it was read any more.
            FencedError: when somebody else has it, or it is gone.
            NotFoundError: when it is gone.
        """
        context, mutation = self._context, mutation_of(execution)
        noted = HeldClaim(context.executions, execution)
        cluster = LedgerCluster(targets_for(context, execution), noted)
        target = await self._target(noted, mutation, cluster)
        if isinstance(target, Held):
            return target
        inverse = execution.status.rollback_information
        if inverse is None and mutation is None:
            inverse = await captured_pods(cluster, execution)
        elif inverse is None and mutation is not None and not isinstance(target, Unseen):
            captures = Captures(
                cluster,
                context.executions,
                clock=context.clock,
                gitops=context.limits.current.gitops,
            )
            inverse = await captures.at_claim(execution, mutation, target)
        return await self._swap_in(noted, inverse)

    async def until_free(self, held: Held) -> None:
        """Return when the holder has ended."""
        locks_ = TargetLocks(self._context.cluster, self._context.executions)
        await locks_.until_ended(held.holder)

    async def _target(
        self, noted: HeldClaim, mutation: Mutation | None, cluster: LedgerCluster
    ) -> Object | Held | Unseen | None:
        """Return the target, or who holds it; None where there is none.

        Whoever was blocked takes the lock before the claim: of many that wait, one goes on,
        and the time of the others still does not run.
        """
        if mutation is None:
            return Unseen()
        address, target_locks = mutation.address, TargetLocks(cluster, self._context.executions)
        while True:
            execution = noted.now
            try:
                live = await cluster.read(address.kind, address.name, namespace=address.namespace)
                if live is None or execution.is_claimed or execution.spec.intent is not Intent.RUN:
                    return live
                holder = await target_locks.holder(live, execution)
                if holder is not None:
                    await self._say_blocked(noted, locks.explain(address, holder))
                    return Held(holder=holder)
                if not blocked.is_blocked(execution):
                    return live
                return await self._taken(address, live, execution, cluster)
            except ConflictError:
                await asyncio.sleep(_AGAIN_S)
            except PermanentError:
                return Unseen()

    async def _taken(
        self, address: Address, live: Object, execution: KubernetesExecution, cluster: LedgerCluster
    ) -> Object:
        """Return the target with the lock on it, which somebody who died may have taken for us."""
        if locks.is_held_by(live, execution):
            cluster.took(address.kind, live)
            return live
        return await TargetLocks(cluster, self._context.executions).take(address, live, execution)

    async def _say_blocked(self, noted: HeldClaim, message: str) -> None:
        context = self._context
        status = blocked.blocked(noted.now, message, now=context.clock.now())
        if status is None:
            return
        waiting = await context.executions.write_status(noted.written, status)
        await context.publisher.execution_fact(waiting, Fact.BLOCKED)

    async def _swap_in(
        self, noted: HeldClaim, inverse: CapturedInverse | None
    ) -> KubernetesExecution:
        context, execution = self._context, noted.written
        status = claims.claimed(
            noted.now, holder=self._identity, now=context.clock.now(), inverse=inverse
        )
        claim = await context.executions.write_status(execution, status)
        await context.publisher.execution_fact(claim, Fact.CLAIMED)
        if blocked.is_blocked(execution):
            await context.publisher.execution_fact(claim, Fact.UNBLOCKED)
        return claim
