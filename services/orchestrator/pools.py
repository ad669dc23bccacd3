"""Ceilings over many workflows: slots are taken before tokens, and dropped after them.

Pools are always read before the workflows that their holders are compared with, and written
on the version that was read: what is dropped then can never be granted any more. Whoever is
killed between two writes leaves a slot behind, which is found by who meets a full pool.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

import msgspec

from services.orchestrator.core import pools as core
from services.orchestrator.core.pools import Owner, Slot, owner_of
from shared import jitter
from shared.api.enums import TERMINAL_PHASES
from shared.api.pool import CLUSTER_POOL, NAMESPACE_POOL, ConcurrencyPool
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import WorkflowStatus
from shared.errors import ConflictError, NotFoundError, PermanentError
from shared.kube.pools import PoolStore
from shared.worker.context import Context

_WAITS_S: Final = (0.1, 0.2, 0.4, 0.8)
_AGAIN_AFTER: Final = timedelta(seconds=2)
_LOOKED_AT: Final = 20
"""Workflows that are read when a pool is full, at most."""
_CLEAN_EVERY_S: Final = 10.0
"""A full pool is the normal case under load: one process looks into it no more often."""

Decision = Callable[[WorkflowExecution, frozenset[str] | None], WorkflowStatus | None]
"""What becomes of a version of a workflow when only some steps may be granted, or all."""


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """The steps that have a slot, on one version of their workflow."""

    version: str
    asked: frozenset[str]
    steps: frozenset[str]

    def on(self, workflow: WorkflowExecution) -> frozenset[str]:
        """Return the steps that may be granted: on another version none."""
        return self.steps if workflow.metadata.resource_version == self.version else frozenset()


class Pools:
    """The slots of one namespace's pool and of the pool of all, as far as there are any.

    Asks for nothing and does nothing unless the settings say that there are ceilings.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = PoolStore(context.cluster)
        self._lock = asyncio.Lock()
        """Two tries of one process at a time would only make each other's writes fail."""
        self._cleaned: dict[str, tuple[float, str]] = {}
        """By uid: when a pool was looked into, and which workflow came last."""

    async def admit(self, workflow: WorkflowExecution, decided: Decision) -> Admission | None:
        """Take slots in every pool for what is granted on this version; None for no ceiling."""
        if not self._context.concurrency_pools:
            return None
        slots = core.wanted(workflow, decided(workflow, None))
        return Admission(
            version=workflow.metadata.resource_version,
            asked=frozenset(slot.step for slot in slots),
            steps=frozenset(slot.step for slot in await self._taken(workflow, slots)),
        )

    async def follow_up(
        self, before: WorkflowExecution, after: WorkflowExecution, admission: Admission | None
    ) -> bool:
        """Give back what is not needed any more; return whether to decide again at once.

        A step that found no slot is looked at again soon.
        """
        if admission is None:
            return False
        tokens = after.status.tokens.keys()
        released = before.status.tokens.keys() - tokens
        lost = admission.steps - tokens
        if released or lost or after.status.phase in TERMINAL_PHASES:
            await self.tidy(owner_of(after))
        waiting = admission.asked - admission.steps
        if waiting and not released:
            due = self._context.clock.now() + _AGAIN_AFTER
            await self._context.publisher.wake(after, at=due, key="pool")
        return bool(lost or (waiting and released))

    async def _taken(self, workflow: WorkflowExecution, slots: Sequence[Slot]) -> Sequence[Slot]:
        """Take slots; the namespace's pool comes first.

        Who waits for the pool of all keeps what it has in its namespace, from workflows that
        would have to wait with it.
        """
        if not slots:
            return slots
        async with self._lock:
            pools = await self._read(workflow.metadata.namespace)
            if len(self._placed(pools, workflow, slots)) < len(slots):
                pools = [await self._cleaned_up(pool) for pool in pools]
                slots = self._placed(pools, workflow, slots)
            for pool in pools:
                slots = await self._take(pool, workflow, slots)
        return slots

    async def tidy(self, owner: Owner) -> None:
        """Drop what a workflow holds without a token; what fails is left to who needs it."""
        if not self._context.concurrency_pools:
            return
        async with self._lock:
            for wait in (*_WAITS_S, 0.0):
                pools = await self._read(owner.namespace)
                held = [pool for pool in pools if core.holds_any(pool, owner.uid)]
                if not held or await self._drop(held, [owner]):
                    return
                await asyncio.sleep(jitter.around(wait, by=0.5))

    async def _read(self, namespace: str) -> list[ConcurrencyPool]:
        found = await asyncio.gather(
            self._store.fetch(namespace, NAMESPACE_POOL),
            self._store.fetch(self._context.system_namespace, CLUSTER_POOL),
        )
        return [pool for pool in found if pool is not None]

    def _placed(
        self, pools: Sequence[ConcurrencyPool], workflow: WorkflowExecution, slots: Sequence[Slot]
    ) -> list[Slot]:
        """Return the slots that find a place in all pools."""
        placed = list(slots)
        for pool in pools:
            _, placed = core.taken(pool, workflow, placed, now=self._context.clock.now())
        return placed

    async def _take(
        self, pool: ConcurrencyPool, workflow: WorkflowExecution, slots: Sequence[Slot]
    ) -> list[Slot]:
        current: ConcurrencyPool | None = pool
        for wait in (*_WAITS_S, 0.0):
            if current is None:
                return list(slots)
            now = self._context.clock.now()
            status, placed = core.taken(current, workflow, slots, now=now)
            if status == current.status:
                return placed
            if not await self._may_settle(current, workflow):
                return []
            try:
                await self._store.swap(current, status)
            except (ConflictError, NotFoundError):
                await asyncio.sleep(jitter.around(wait, by=0.5))
                meta = current.metadata
                current = await self._store.fetch(meta.namespace, meta.name)
            else:
                return placed
        return []

    async def _may_settle(self, pool: ConcurrencyPool, workflow: WorkflowExecution) -> bool:
        """Return whether nothing of this workflow is put right, or its version is the latest."""
        holders = core.settled(pool, workflow, now=self._context.clock.now())
        if holders == pool.status.holders:
            return True
        live = await self._live(owner_of(workflow))
        return (
            live is not None
            and live.metadata.resource_version == workflow.metadata.resource_version
        )

    async def _cleaned_up(self, pool: ConcurrencyPool) -> ConcurrencyPool:
        """Return a pool after a look at some of its holders, if it is time for one."""
        meta, monotonic = pool.metadata, self._context.clock.monotonic()
        before, last = self._cleaned.get(meta.uid, (-_CLEAN_EVERY_S, ""))
        if len(pool.status.holders) < pool.spec.limit or monotonic - before < _CLEAN_EVERY_S:
            return pool
        owners = core.suspects(pool, after=last, at_most=_LOOKED_AT)
        self._cleaned[meta.uid] = (monotonic, owners[-1].uid)
        await self._drop([pool], owners)
        return await self._store.fetch(meta.namespace, meta.name) or pool

    async def _drop(self, pools: Sequence[ConcurrencyPool], owners: Sequence[Owner]) -> bool:
        """Drop the void holders of some workflows; return whether nobody came in between."""
        found = await asyncio.gather(
            *(self._live(owner) for owner in owners), return_exceptions=True
        )
        live = {}
        for owner, each in zip(owners, found, strict=True):
            if isinstance(each, PermanentError):
                continue  # Not for us to read: its slots stay.
            if isinstance(each, BaseException):
                raise each
            live[owner.uid] = each
        try:
            for pool in pools:
                status = core.tidied(pool, live)
                if status is not None:
                    await self._store.swap(pool, status)
        except NotFoundError:
            return True
        except ConflictError:
            return False
        return True

    async def _live(self, owner: Owner) -> WorkflowExecution | None:
        view = await self._context.workflows.fetch(owner.namespace, owner.name)
        if view is None or view.workflow.metadata.uid != owner.uid:
            return None
        return view.workflow
