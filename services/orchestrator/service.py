"""The orchestrator's shell: ledger first, then executions, then messages.

The order is what keeps the cap (R0): a token is confirmed before its execution exists, and
everything after the ledger write may be repeated by anybody.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from services.orchestrator.announcing import Announcer
from services.orchestrator.core import settle
from services.orchestrator.core.creation import WAITS_S, uncreated
from services.orchestrator.core.decide import decide, ledger_names, next_start
from services.orchestrator.core.finished import is_finished
from services.orchestrator.core.guarding import Guards
from services.orchestrator.core.pools import Owner
from services.orchestrator.guards import Guard
from services.orchestrator.pools import Admission, Decision, Pools
from services.orchestrator.sightings import Sightings
from shared.api.execution import KubernetesExecution
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import WorkflowStatus
from shared.contracts import consumers
from shared.contracts.subjects import Fact, Service
from shared.errors import (
    AlreadyExistsError,
    ConflictError,
    MendflowError,
    NotFoundError,
    PermanentError,
    TransientError,
)
from shared.ids import ExecutionName, Uid
from shared.kube.store import WorkflowView
from shared.outcome import Ack, Outcome
from shared.worker.context import Context
from shared.worker.keys import Hint, WorkflowKey
from shared.worker.reconciler import GONE, WorkflowReconciler
from shared.workflow.executions import is_ours

_NOT_OURS: Final = frozenset({Fact.KEX_CHANGED, Fact.CLAIMED, Fact.FINISHED})
"""The monitor judges these first, and says so; then there is something to decide."""
_UNSTARTED: Final = "cancelled before it started"
_SETTLED: Final = "its step was settled without it"
_UNANSWERED: Final = frozenset({"ApiUnavailable", "TooManyRequests"})
"""Says nothing about the execution that was to be created: to be tried again, however long."""


class Orchestrator:
    """Grants tokens, creates executions, releases tokens."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._announcer = Announcer(context)
        self._pools = Pools(context)
        self._guard = Guard(context.checker)
        self._sightings = Sightings()
        self._again: set[Uid] = set()
        """Workflows to be decided anew at once, for what a write or an answer changed."""
        self.reconciler = WorkflowReconciler(
            context,
            self.reconcile,
            consumers=(*consumers.ORCHESTRATOR, consumers.TIMERS[Service.ORCHESTRATOR]),
            ignored=_NOT_OURS,
            is_finished=is_finished,
        )

    async def run(self) -> None:
        """Work until cancelled."""
        await self.reconciler.run()

    def resync_now(self) -> None:
        """Walk all unfinished workflows soon."""
        self.reconciler.resync_now()

    async def reconcile(self, key: WorkflowKey, hints: Sequence[Hint]) -> Outcome:
        """Bring the ledger of a workflow, and the executions of its tokens, up to date."""
        view = await self._context.workflows.fetch(key.namespace, key.name)
        if view is None or view.workflow.metadata.uid != key.uid:
            return await self._gone(key)
        names = ledger_names(view.workflow)
        executions = await self._read(key.namespace, names)
        deleted = self._deleted(names, executions, hints)
        undisputed = self._decision(view.workflow, executions, deleted, None)
        guards = await self._guard.ask(view.workflow, undisputed)
        decided = self._decision(view.workflow, executions, deleted, guards)
        admission = await self._pools.admit(view.workflow, decided)
        saved = await self._save(key, view, decided, admission)
        if saved is None:
            return await self._gone(key)
        await self._carry_out(saved, executions)
        await self._announcer.announce(view.workflow, saved)
        if await self._pools.follow_up(view.workflow, saved, admission):
            self._again.add(key.uid)
        if self._guard.has_more(saved, guards, undisputed):
            self._again.add(key.uid)
        due = next_start(saved)
        if due is not None:
            await self._context.publisher.wake(saved, at=due, key="retry")
        if key.uid in self._again:
            self._again.discard(key.uid)
            return await self.reconcile(key, hints)
        return Ack(note=f"{len(saved.status.tokens)} tokens")

    async def _read(
        self, namespace: str, names: Sequence[ExecutionName]
    ) -> dict[ExecutionName, KubernetesExecution]:
        found = await asyncio.gather(
            *(self._context.executions.fetch(namespace, name) for name in names)
        )
        return {name: each for name, each in zip(names, found, strict=True) if each}

    def _deleted(
        self,
        names: Sequence[ExecutionName],
        executions: dict[ExecutionName, KubernetesExecution],
        hints: Sequence[Hint],
    ) -> frozenset[ExecutionName]:
        """Return the executions that somebody deleted; a message counts for what is not there."""
        told = {ExecutionName(h.execution) for h in hints if h.fact == Fact.KEX_DELETED}
        known = self._sightings.deleted(names, executions)
        for each in executions.values():
            self._sightings.add(each)
        return known | (told - executions.keys())

    async def _gone(self, key: WorkflowKey) -> Outcome:
        await self._pools.tidy(Owner(key.uid, key.namespace, key.name))
        return GONE

    def _decision(
        self,
        read: WorkflowExecution,
        executions: dict[ExecutionName, KubernetesExecution],
        deleted: frozenset[ExecutionName],
        guards: Guards | None,
    ) -> Decision:
        context = self._context

        def decided(
            workflow: WorkflowExecution, only: frozenset[str] | None
        ) -> WorkflowStatus | None:
            return decide(
                workflow,
                executions,
                now=context.clock.now(),
                limit=context.limits.current.max_parallel_steps,
                deleted=deleted,
                read_after=read.metadata.resource_version,
                only=only,
                guards=guards,
            )

        return decided

    async def _save(
        self,
        key: WorkflowKey,
        view: WorkflowView,
        decided: Decision,
        admission: Admission | None,
    ) -> WorkflowExecution | None:
        return await self._context.workflows.update(
            key.namespace,
            key.name,
            key.uid,
            lambda workflow: decided(workflow, admission.on(workflow) if admission else None),
            view=view,
        )

    async def _carry_out(
        self,
        workflow: WorkflowExecution,
        executions: dict[ExecutionName, KubernetesExecution],
    ) -> None:
        orders = settle.orders(workflow, executions)
        await asyncio.gather(*(self._obey(workflow, order) for order in orders))

    async def _obey(self, workflow: WorkflowExecution, order: settle.Order) -> None:
        match order:
            case settle.Create(execution=wanted):
                created = await self._create(workflow, wanted)
                if created is not None:
                    self._sightings.add(created)
                    await self._context.publisher.command(created)
            case settle.Drive(execution=execution):
                await self._context.publisher.command(execution)
            case settle.Revoke(execution=execution):
                await self._revoke(execution)

    async def _create(
        self, workflow: WorkflowExecution, wanted: KubernetesExecution
    ) -> KubernetesExecution | None:
        """Create an execution, five tries; a step whose execution is refused fails (5.3)."""
        for tries, wait in enumerate((*WAITS_S, None), start=1):
            try:
                return await self._create_once(workflow, wanted)
            except PermanentError as error:
                await self._give_up(workflow, wanted, error, tries=tries)
                return None
            except TransientError as error:
                if wait is None and error.reason in _UNANSWERED:
                    raise
                if wait is None:
                    await self._give_up(workflow, wanted, error, tries=tries)
                    return None
                await asyncio.sleep(wait)
        return None

    async def _create_once(
        self, workflow: WorkflowExecution, wanted: KubernetesExecution
    ) -> KubernetesExecution | None:
        context, meta = self._context, wanted.metadata
        try:
            created = await context.executions.create(wanted)
        except AlreadyExistsError:
            found = await context.executions.fetch(meta.namespace, meta.name)
            if found is not None and not is_ours(found, wanted):
                context.recorder.warning(
                    workflow,
                    reason="NameCollision",
                    message=f"KubernetesExecution {meta.name} belongs to somebody else",
                )
                return None
            return found
        if wanted.spec.intent == "Void":
            await self._revoke(created)
            return None
        return created

    async def _give_up(
        self,
        workflow: WorkflowExecution,
        wanted: KubernetesExecution,
        error: MendflowError,
        *,
        tries: int,
    ) -> None:
        """Fail the step of an execution that cannot be created, and say so."""
        context, meta = self._context, workflow.metadata
        context.metrics.creation_failed(meta.namespace, wanted.spec.action)

        def failed(current: WorkflowExecution) -> WorkflowStatus | None:
            return uncreated(current, wanted, error, tries=tries)

        saved = await context.workflows.update(meta.namespace, meta.name, meta.uid, failed)
        if saved is not None:
            step = wanted.spec.step_name
            context.recorder.warning(
                saved, reason="StepCreationFailed", message=f"step {step}: {error}"[:256]
            )
            self._again.add(meta.uid)

    async def _revoke(self, execution: KubernetesExecution) -> None:
        """Mark an execution Cancelled; a claim or a result at the same moment wins or loses."""
        message = _SETTLED if execution.is_claimed else _UNSTARTED
        try:
            await self._context.executions.cancel(
                execution, message=message, now=self._context.clock.now()
            )
        except (ConflictError, NotFoundError):
            return
        self._context.log.info("execution revoked", execution=execution.metadata.name)
