"""Saying what was done: facts for whoever cares, commands for executors.

Nothing depends on a message arriving: a failed publish is logged and counted, and the next
resync makes up for it.
"""

from datetime import datetime

import structlog

from shared.api.execution import KubernetesExecution
from shared.api.meta import CORRELATION_ANNOTATION
from shared.api.workflow import WorkflowExecution
from shared.bus.port import Bus
from shared.clock import Clock
from shared.contracts import bell, subjects
from shared.contracts.bell import Bell
from shared.contracts.envelope import RUN_STEP, Envelope, to_headers, type_of
from shared.contracts.subjects import Fact, Service
from shared.errors import TransientError
from shared.ids import StepName, Uid
from shared.worker.armed import Armed
from shared.workflow.executions import correlation_of

_ATTEMPT_LETTERS = {"forward": "f", "rollback": "r", "settle": "s"}


class Publisher:
    """Publishes as one service."""

    def __init__(self, bus: Bus, *, clock: Clock, service: Service, identity: str) -> None:
        self._bus = bus
        self._clock = clock
        self._service = service
        self._source = f"mendflow/{service}/{identity}"
        self._armed = Armed()
        self._log = structlog.get_logger(service=str(service))

    async def fact(
        self,
        workflow: WorkflowExecution,
        fact: Fact,
        *,
        step: str = "",
        attempt: int = 0,
        fence: int = 0,
        occurrence: str = "",
    ) -> None:
        """Publish that something happened to a workflow or one of its steps.

        `occurrence` tells apart facts that are otherwise alike, so that the stream's
        deduplication drops only true repeats.
        """
        meta = workflow.metadata
        id_ = ":".join((meta.uid, self._service, fact, step, str(attempt), str(fence), occurrence))
        await self._send(
            subjects.event(meta.uid, self._service, fact),
            Bell(
                namespace=meta.namespace,
                workflow=meta.name,
                uid=meta.uid,
                step=step,
                attempt=attempt,
            ),
            Envelope(
                id=id_,
                source=self._source,
                type=type_of(fact),
                subject=f"{meta.namespace}/{meta.name}",
                time=self._clock.now(),
                uid=meta.uid,
                generation=meta.generation,
                resource_version=meta.resource_version,
                step=step,
                attempt=attempt,
                fence=fence,
                correlation=correlation_of(workflow),
            ),
            message_id=id_,
        )

    async def execution_fact(self, execution: KubernetesExecution, fact: Fact) -> None:
        """Publish that something happened to an execution, under its workflow's uid."""
        envelope = self._envelope(execution, type_=type_of(fact), fact=str(fact))
        uid = Uid(execution.spec.workflow_execution_ref.uid)
        await self._send(
            subjects.event(uid, self._service, fact),
            _bell_of(execution),
            envelope,
            message_id=envelope.id,
        )

    async def command(self, execution: KubernetesExecution) -> None:
        """Queue the order to look at an execution; queueing it twice is queueing it once."""
        spec = execution.spec
        attempt = f"{_ATTEMPT_LETTERS[spec.kind]}{spec.attempt}"
        uid = Uid(spec.workflow_execution_ref.uid)
        await self._send(
            subjects.command(uid, StepName(spec.step_name), attempt),
            _bell_of(execution),
            self._envelope(execution, type_=RUN_STEP, fact="run-step"),
            message_id="",
        )

    async def wake(self, workflow: WorkflowExecution, *, at: datetime, key: str) -> None:
        """Have this service look at a workflow again at a time; the resync is the net.

        `key` names the timer: another time for the same key replaces the earlier one.
        """
        meta = workflow.metadata
        subject = subjects.timer(self._service, meta.uid, key)
        if self._armed.holds(subject, at):
            return
        body = Bell(namespace=meta.namespace, workflow=meta.name, uid=meta.uid, due=at)
        try:
            await self._bus.schedule(subject, bell.encode(body), at=at)
        except TransientError as error:
            self._log.debug("timer not armed", subject=subject, reason=error.reason)
        else:
            self._armed.remember(subject, at)

    def forget_timers(self) -> None:
        """Arm every timer again when it is asked for: the bus may have lost its store."""
        self._armed.forget()

    def _envelope(self, execution: KubernetesExecution, *, type_: str, fact: str) -> Envelope:
        spec, meta = execution.spec, execution.metadata
        ref = spec.workflow_execution_ref
        parts = (ref.uid, self._service, fact, spec.step_name, spec.kind, spec.attempt)
        return Envelope(
            id=":".join(str(part) for part in (*parts, spec.fence, execution.status.claim_fence)),
            source=self._source,
            type=type_,
            subject=f"{meta.namespace}/{ref.name}",
            time=self._clock.now(),
            uid=ref.uid,
            resource_version=meta.resource_version,
            step=spec.step_name,
            attempt=spec.attempt,
            fence=spec.fence,
            correlation=meta.annotations.get(CORRELATION_ANNOTATION, ref.uid),
        )

    async def _send(self, subject: str, body: Bell, envelope: Envelope, *, message_id: str) -> None:
        try:
            await self._bus.publish(
                subject, bell.encode(body), headers=to_headers(envelope), message_id=message_id
            )
        except TransientError as error:
            self._log.debug("message not published", subject=subject, reason=error.reason)


def _bell_of(execution: KubernetesExecution) -> Bell:
    spec = execution.spec
    return Bell(
        namespace=execution.metadata.namespace,
        workflow=spec.workflow_execution_ref.name,
        uid=Uid(spec.workflow_execution_ref.uid),
        step=spec.step_name,
        attempt=spec.attempt,
        execution=execution.metadata.name,
    )
