"""The orchestrator's shell: ledger first, then executions, then messages.

The order is what keeps the cap (R0): a token is confirmed before its execution exists, and
everything after the ledger write may be repeated by anybody.
"""

import asyncio
from collections.abc import Sequence

from services.orchestrator.core import settle
from services.orchestrator.core.decide import decide, ledger_names
from shared.api.enums import Phase
from shared.api.execution import KubernetesExecution
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import WorkflowStatus
from shared.contracts import consumers
from shared.contracts.subjects import Fact
from shared.errors import AlreadyExistsError, ConflictError, NotFoundError, PermanentError
from shared.ids import ExecutionName
from shared.kube.store import WorkflowView
from shared.outcome import Ack, Outcome
from shared.worker.context import Context
from shared.worker.keys import Hint, WorkflowKey
from shared.worker.reconciler import GONE, WorkflowReconciler
from shared.workflow.executions import is_ours
from shared.workflow.phases import rollback_is_due

_NOT_OURS = frozenset({Fact.KEX_CHANGED, Fact.CLAIMED, Fact.FINISHED})
"""The monitor judges these first, and says so; then there is something to decide."""


_MAX_MESSAGE = 256


class Orchestrator:
    """Grants tokens, creates executions, releases tokens."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.reconciler = WorkflowReconciler(
            context, self.reconcile, consumers=consumers.ORCHESTRATOR, ignored=_NOT_OURS
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
            return GONE
        if view.workflow.status.phase is not Phase.EXECUTING:
            return Ack(note="nothing to grant")
        deleted = frozenset(ExecutionName(h.execution) for h in hints if h.fact == Fact.KEX_DELETED)
        executions = await self._read(view.workflow)
        saved = await self._save(key, view, executions, deleted)
        if saved is None:
            return GONE
        await self._carry_out(saved, executions)
        await self._announce(view.workflow, saved)
        return Ack(note=f"{len(saved.status.tokens)} tokens")

    async def _read(self, workflow: WorkflowExecution) -> dict[ExecutionName, KubernetesExecution]:
        names = ledger_names(workflow)
        namespace = workflow.metadata.namespace
        found = await asyncio.gather(
            *(self._context.executions.fetch(namespace, name) for name in names)
        )
        return {name: each for name, each in zip(names, found, strict=True) if each}

    async def _save(
        self,
        key: WorkflowKey,
        view: WorkflowView,
        executions: dict[ExecutionName, KubernetesExecution],
        deleted: frozenset[ExecutionName],
    ) -> WorkflowExecution | None:
        context = self._context

        def decided(workflow: WorkflowExecution) -> WorkflowStatus | None:
            return decide(
                workflow,
                executions,
                now=context.clock.now(),
                limit=context.max_parallel_steps,
                deleted=deleted,
                read_after=view.workflow.metadata.resource_version,
            )

        return await context.workflows.update(key.namespace, key.name, key.uid, decided, view=view)

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
                    await self._context.publisher.command(created)
            case settle.Drive(execution=execution):
                await self._context.publisher.command(execution)
            case settle.Revoke(execution=execution):
                await self._revoke(execution)

    async def _create(
        self, workflow: WorkflowExecution, wanted: KubernetesExecution
    ) -> KubernetesExecution | None:
        context = self._context
        try:
            created = await context.executions.create(wanted)
        except AlreadyExistsError:
            meta = wanted.metadata
            found = await context.executions.fetch(meta.namespace, meta.name)
            if found is not None and not is_ours(found, wanted):
                context.recorder.warning(
                    workflow,
                    reason="NameCollision",
                    message=f"KubernetesExecution {meta.name} belongs to somebody else",
                )
                return None
            return found
        except PermanentError as error:
            context.metrics.creation_failed(wanted.metadata.namespace, wanted.spec.action)
            context.recorder.warning(
                workflow,
                reason="ExecutionRefused",
                message=f"step {wanted.spec.step_name}: {error}"[:_MAX_MESSAGE],
            )
            raise
        if wanted.spec.intent == "Void":
            await self._revoke(created)
            return None
        return created

    async def _revoke(self, execution: KubernetesExecution) -> None:
        """Mark an unclaimed execution Cancelled; a claim at the same moment wins or loses."""
        try:
            await self._context.executions.cancel(
                execution, message="cancelled before it started", now=self._context.clock.now()
            )
        except (ConflictError, NotFoundError):
            return
        self._context.log.info("execution revoked", execution=execution.metadata.name)

    async def _announce(self, before: WorkflowExecution, after: WorkflowExecution) -> None:
        publisher = self._context.publisher
        for name, token in after.status.tokens.items():
            if before.status.tokens.get(name) != token:
                self._context.metrics.token_granted()
                self._context.log.info("step granted", step=name, attempt=token.attempt)
                await publisher.fact(
                    after,
                    Fact.STEP_GRANTED,
                    step=name,
                    attempt=token.attempt,
                    fence=token.fence,
                )
        for _ in before.status.tokens.keys() - after.status.tokens.keys():
            self._context.metrics.token_released()
        if rollback_is_due(after):
            await publisher.fact(
                after, Fact.ROLLBACK_DUE, occurrence=after.metadata.resource_version
            )
        if after.status.phase is Phase.COMPLETED:
            self._context.recorder.normal(
                after,
                reason="WorkflowExecutionCompleted",
                message=f"{after.status.completed_steps} steps completed",
            )
            await publisher.fact(after, Fact.WORKFLOW_COMPLETED)
