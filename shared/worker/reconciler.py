"""Feeds one reconcile function: from messages, and from the resync.

Both end in the same call, one at a time per workflow. Losing every message only means
that the resync finds the work, one period later.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import Final

from shared.api.groups import WORKFLOW_EXECUTION
from shared.api.meta import CORRELATION_ANNOTATION
from shared.bus.port import Delivery
from shared.contracts.consumers import Consumer
from shared.contracts.envelope import correlation_in
from shared.contracts.subjects import Fact
from shared.errors import FencedError, MendflowError, TransientError
from shared.ids import Uid
from shared.kube.port import Object
from shared.outcome import Ack, Outcome, Park
from shared.telemetry.logging import bound
from shared.worker.context import Context
from shared.worker.keys import RESYNC, Hint, WorkflowKey, hint_of, read_bell
from shared.worker.recent import Recent
from shared.worker.resync import ResyncLoop
from shared.worker.turns import Turns

Reconcile = Callable[[WorkflowKey, Sequence[Hint]], Awaitable[Outcome]]

in_resync: Final = ContextVar("in_resync", default=False)
"""Whether the work at hand was found by a resync: a message for it was lost or is late."""

GONE: Final = Ack(note="workflow gone")
_RESYNC_CONCURRENCY: Final = 8
_EARLY_S: Final = 5.0
"""How far the server's clock may be ahead of ours before its timers are left to the resync."""


class WorkflowReconciler:
    """Calls `reconcile` for a workflow whenever there may be something to do."""

    def __init__(
        self,
        context: Context,
        reconcile: Reconcile,
        *,
        consumers: Sequence[Consumer],
        ignored: frozenset[Fact] = frozenset(),
        is_finished: Callable[[Object], bool],
    ) -> None:
        """Build it.

        Args:
            context: the service's world.
            reconcile: looks at one workflow and does what its service owes it.
            consumers: durable consumers whose messages wake it.
            ignored: facts that never mean work for this service.
            is_finished: tells from a raw object that no work can be left.
        """
        self._context = context
        self._reconcile = reconcile
        self._consumers = consumers
        self._ignored = {str(fact) for fact in ignored}
        self._is_finished = is_finished
        self._turns = Turns()
        self._known = Recent()
        self._resync = ResyncLoop(context, WORKFLOW_EXECUTION, self._visit)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._resync.run())
            for consumer in self._consumers:
                tasks.create_task(
                    self._context.bus.consume(consumer, _lane_of, self._on_deliveries)
                )

    def resync_now(self) -> None:
        """Walk all unfinished workflows soon: the bus came back, or lost its store."""
        self._resync.wake()

    async def _on_deliveries(self, lane: str, deliveries: list[Delivery]) -> Outcome:
        del lane
        hints = [hint_of(delivery) for delivery in deliveries]
        if all(hint.fact in self._ignored for hint in hints):
            return Ack(note="nothing for this service")
        await self._until_due(deliveries)
        bell = read_bell(deliveries[-1])
        key = WorkflowKey(
            namespace=bell.namespace,
            name=bell.workflow,
            uid=bell.uid,
            correlation=correlation_in(deliveries[-1].headers),
        )
        outcome = await self._locked(key, hints)
        deleted = any(hint.fact == Fact.WFE_DELETED for hint in hints)
        if outcome is not GONE:
            self._known.add(key.uid)
        elif key.uid not in self._known and not deleted:
            return Park(reason="UnknownWorkflow", message=f"no workflow {key} with this uid")
        return outcome

    async def _until_due(self, deliveries: Sequence[Delivery]) -> None:
        """Wait until it is time here too: a look too early would find nothing to do."""
        due = [rung.due for rung in map(read_bell, deliveries) if rung.due is not None]
        if due:
            early_s = (max(due) - self._context.clock.now()).total_seconds()
            if 0 < early_s <= _EARLY_S:
                await asyncio.sleep(early_s)

    async def _locked(self, key: WorkflowKey, hints: Sequence[Hint]) -> Outcome:
        telling = bound(
            correlation_id=key.correlation or str(key.uid),
            workflow=key.name,
            namespace=key.namespace,
        )
        async with self._turns.of(key.uid):
            with telling:
                return await self._reconcile(key, hints)

    async def _safely(self, key: WorkflowKey, hints: Sequence[Hint]) -> None:
        """Reconcile without a message to answer: failures wait for the next resync."""
        log = self._context.log.bind(workflow=key.name, namespace=key.namespace, uid=key.uid)
        try:
            outcome = await self._locked(key, hints)
        except FencedError as error:
            log.debug("lost a claim", reason=error.reason)
        except TransientError as error:
            log.debug("will be looked at again", reason=error.reason)
        except MendflowError as error:
            log.warning("cannot be reconciled", reason=error.reason, error=str(error))
        except Exception:
            log.exception("reconcile crashed")
        else:
            if outcome is not GONE:
                self._known.add(key.uid)

    async def _visit(self, items: list[Object]) -> None:
        gate = asyncio.Semaphore(_RESYNC_CONCURRENCY)

        async def look(item: Object) -> None:
            meta = item["metadata"]
            key = WorkflowKey(
                namespace=meta["namespace"],
                name=meta["name"],
                uid=Uid(meta["uid"]),
                correlation=meta.get("annotations", {}).get(CORRELATION_ANNOTATION, ""),
            )
            async with gate:
                in_resync.set(True)
                await self._safely(key, [Hint(fact=RESYNC)])

        unfinished = [item for item in items if not self._is_finished(item)]
        await asyncio.gather(*(look(item) for item in unfinished))


def _lane_of(delivery: Delivery) -> str:
    return read_bell(delivery).uid
