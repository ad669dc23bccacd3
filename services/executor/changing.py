"""Carries out an action that changes one object, with what belongs around the change."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

import msgspec

from services.executor.capture import is_captured_undo
from services.executor.core import changes, claims, draining
from services.executor.core.captures import Mutation
from services.executor.core.changes import Done, RefusedError
from services.executor.core.evictions import told
from services.executor.draining import Drain
from services.executor.effect import Effect
from services.executor.held import HeldClaim
from services.executor.ledger import LedgerCluster, eviction
from services.executor.quarantine import Quarantine
from services.executor.stop import Stop
from shared.api.enums import Intent
from shared.api.execution import KubernetesExecution
from shared.api.parameters import DrainNode, QuarantinePod
from shared.api.results import DryRunResults, StepResult
from shared.errors import TransientError
from shared.worker.context import Context

_AGAIN_S: Final = 1.0


class Changing:
    """The change of one claimed execution."""

    def __init__(
        self,
        context: Context,
        cluster: LedgerCluster,
        claim: HeldClaim,
        mutation: Mutation,
        *,
        deadline: datetime,
        stop: Stop,
    ) -> None:
        self._cluster = cluster
        self._claim = claim
        self._mutation = mutation
        self._clock = context.clock
        self._deadline = deadline
        self._stop = stop
        self._effect = Effect(
            cluster,
            context.executions,
            claim,
            mutation,
            clock=context.clock,
            deadline=deadline,
            stop=stop,
            gitops=context.limits.current.gitops,
        )

    @property
    def dry_run(self) -> DryRunResults | None:
        """Return what the dry run found; None where nothing was tried."""
        return self._effect.dry_run.found

    async def run(self) -> StepResult:
        """Make the change, and return once its target has settled.

        Raises:
            RefusedError: when it cannot or must not be made, or not in time.
            FencedError: when the claim is gone.
            PermanentError: when the API server refuses it.
        """
        if self._execution.spec.intent is Intent.SETTLE:
            return await self._settle_lost()
        quarantine, undone = self._quarantine(), self._undone_uid()
        if quarantine is not None and undone is None:
            await self._patiently(quarantine.close)
        await self._patiently(self._effect.apply)
        done = await self._effect.settle()
        if quarantine is not None and undone is not None:
            await self._patiently(lambda: quarantine.open(undone))
        parameters = self._mutation.parameters
        if isinstance(parameters, DrainNode) and undone is None:
            done = await self._drain(parameters)
        affected = [str(self._mutation.address)]
        return msgspec.structs.replace(done.result, resources_affected=affected)

    @property
    def _execution(self) -> KubernetesExecution:
        return self._claim.now

    def _quarantine(self) -> Quarantine | None:
        if not isinstance(self._mutation.parameters, QuarantinePod):
            return None
        address = self._mutation.address
        return Quarantine(self._cluster, pod=address.name, namespace=address.namespace)

    def _undone_uid(self) -> str | None:
        """Return the uid of the object whose change is undone; None when none is."""
        undo = self._execution.spec.rollback_of
        if undo is None or undo.target is None or not is_captured_undo(self._execution):
            return None
        return undo.target.uid

    async def _drain(self, parameters: DrainNode) -> Done:
        """Evict what is on the node, now that it is cordoned."""
        drain = Drain(
            self._cluster,
            clock=self._clock,
            deadline=self._deadline,
            stop=self._stop,
            progress=lambda so_far: self._claim.keep(progress=told(so_far)),
            intend=lambda pods: self._cluster.intend([eviction(pod.name, pod.uid) for pod in pods]),
        )
        started = claims.made_at(self._execution, now=self._clock.now())
        return await drain.run(parameters, started=started)

    async def _settle_lost(self) -> StepResult:
        """Look what became of a deleted execution; nothing is done for it again."""
        if not await self._effect.look():
            raise changes.unknown("the change is not on the target")
        parameters = self._mutation.parameters
        if isinstance(parameters, DrainNode) and not await self._is_drained(parameters):
            raise changes.unknown("the node is cordoned, but not drained")
        return (await self._effect.settle()).result

    async def _is_drained(self, parameters: DrainNode) -> bool:
        pods = (await self._cluster.pods_on(parameters.node)).items
        started = claims.made_at(self._execution, now=self._clock.now())
        try:
            return not draining.select(pods, parameters, started=started).to_evict
        except RefusedError:
            return False

    async def _patiently(self, act: Callable[[], Awaitable[None]]) -> None:
        """Act, and again while the API server cannot be reached, until the deadline."""
        while True:
            try:
                await act()
            except TransientError as error:
                if self._clock.now() >= self._deadline:
                    raise changes.too_late(f"the API server: {error}") from None
                await asyncio.sleep(_AGAIN_S)
                continue
            return
