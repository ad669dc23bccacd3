"""The watcher's shell: list and watch, and ring a bell for each change that matters.

Owns no state: after a restart it lists again, and ids derived from object and version make
the repeats harmless. The election only saves work.
"""

import asyncio
from collections.abc import Callable

from services.watcher.core.observe import (
    DELETED,
    Observation,
    Seen,
    observe_approval,
    observe_execution,
    observe_workflow,
    seen,
)
from shared.api.groups import (
    AI_APPROVAL_REQUEST,
    KUBERNETES_EXECUTION,
    WORKFLOW_EXECUTION,
    Kind,
)
from shared.api.meta import CORRELATION_ANNOTATION
from shared.contracts import bell, subjects
from shared.contracts.bell import Bell
from shared.contracts.envelope import Envelope, to_headers, type_of
from shared.contracts.subjects import Service
from shared.errors import MendflowError, TransientError
from shared.ids import Uid
from shared.kube.lease import Election
from shared.kube.port import Object
from shared.kube.watch import ListWatch
from shared.worker.context import Context

Observe = Callable[..., Observation | None]

_OBSERVED = (
    (WORKFLOW_EXECUTION, observe_workflow),
    (KUBERNETES_EXECUTION, observe_execution),
    (AI_APPROVAL_REQUEST, observe_approval),
)
_PUBLISHING = 32
"""Bells on their way at once; a relist of thousands must not wait for each in turn."""


class Watcher:
    """Publishes what happens to the custom resources."""

    def __init__(self, context: Context, election: Election) -> None:
        self._context = context
        self._election = election
        self._gate = asyncio.Semaphore(_PUBLISHING)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._election.run())
            tasks.create_task(self._announce_when_elected())
            for kind, observe in _OBSERVED:
                tasks.create_task(self._follow(kind, observe))

    def resync_now(self) -> None:
        """Do nothing: each service walks its own work when the bus comes back."""

    async def announce_all(self) -> None:
        """Publish everything there is: the leader before us may have missed the latest."""
        context = self._context
        for kind, observe in _OBSERVED:
            try:
                listing = await context.cluster.list(kind, namespace=context.namespace)
            except MendflowError as error:
                context.log.warning("could not list", kind=kind.kind, reason=error.reason)
                continue
            for raw in listing.items:
                found = observe("ADDED", raw, before=None)
                if found is not None:
                    await self._gate.acquire()
                    await self._publish(kind, found, raw)

    async def _announce_when_elected(self) -> None:
        while True:
            await self._election.elected.wait()
            self._election.elected.clear()
            await self.announce_all()

    async def _follow(self, kind: Kind, observe: Observe) -> None:
        context = self._context
        known: dict[str, Seen] = {}
        changes = ListWatch(
            context.cluster,
            kind,
            namespace=context.namespace,
            clock=context.clock,
            on_reconnect=context.metrics.watch_reconnected,
        )
        async with asyncio.TaskGroup() as tasks:
            async for change in changes.changes():
                raw = change.object
                uid = raw["metadata"]["uid"]
                found = observe(change.type, raw, before=known.get(uid))
                if change.type == DELETED:
                    known.pop(uid, None)
                else:
                    known[uid] = seen(raw)
                if found is not None and self._election.is_leader:
                    await self._gate.acquire()
                    tasks.create_task(self._publish(kind, found, raw))

    async def _publish(self, kind: Kind, found: Observation, raw: Object) -> None:
        context = self._context
        annotations = raw["metadata"].get("annotations", {})
        envelope = Envelope(
            id=found.event_id,
            source=f"mendflow/{Service.WATCHER}/{context.identity}",
            type=type_of(found.fact),
            subject=f"{found.namespace}/{found.workflow}",
            time=context.clock.now(),
            uid=found.uid,
            generation=found.generation,
            resource_version=found.resource_version,
            step=found.step,
            correlation=annotations.get(CORRELATION_ANNOTATION, found.uid),
        )
        log = context.log.bind(
            kind=kind.kind,
            correlation_id=envelope.correlation,
            workflow=found.workflow,
            namespace=found.namespace,
        )
        body = Bell(
            namespace=found.namespace,
            workflow=found.workflow,
            uid=Uid(found.uid),
            step=found.step,
            execution=found.execution,
        )
        try:
            await context.bus.publish(
                subjects.event(Uid(found.uid), Service.WATCHER, found.fact),
                bell.encode(body),
                headers=to_headers(envelope),
                message_id=found.event_id,
            )
            log.debug("change announced", fact=str(found.fact))
        except TransientError as error:
            log.debug("message not published", reason=error.reason)
        finally:
            self._gate.release()
