"""The rollback service's shell: move the way back on, one undo at a time.

The reserved token in `status.rollback.steps` is written before the undo's execution is
created, as the orchestrator does with its ledger.
"""

from collections.abc import Sequence
from typing import Any, Final

from services.rollback.announcing import Announcer
from services.rollback.core import trigger
from services.rollback.core.bounds import Bounds
from services.rollback.core.guarding import Safety
from services.rollback.core.repeating import can_be_repeated
from shared.api.enums import TERMINAL_PHASES, Phase
from shared.api.execution import KubernetesExecution
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import WorkflowStatus
from shared.contracts import consumers
from shared.contracts.subjects import Service
from shared.errors import AlreadyExistsError, ConflictError, NotFoundError
from shared.ids import ExecutionName
from shared.outcome import Ack, Outcome
from shared.worker.context import Context
from shared.worker.keys import Hint, WorkflowKey
from shared.worker.reconciler import GONE, WorkflowReconciler
from shared.workflow.executions import is_ours

_FINISHED: Final = frozenset(str(p) for p in TERMINAL_PHASES - {Phase.DEGRADED})


class Rollback:
    """Undoes what was completed in a workflow that was stopped."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._announcer = Announcer(context)
        self.reconciler = WorkflowReconciler(
            context,
            self.reconcile,
            consumers=(*consumers.ROLLBACK, consumers.TIMERS[Service.ROLLBACK]),
            is_finished=lambda item: _phase_of(item) in _FINISHED,
        )

    async def run(self) -> None:
        """Work until cancelled."""
        await self.reconciler.run()

    def resync_now(self) -> None:
        """Walk all unfinished workflows soon."""
        self.reconciler.resync_now()

    async def reconcile(self, key: WorkflowKey, hints: Sequence[Hint]) -> Outcome:
        """Move the way back of a workflow on as far as it goes without waiting.

        Nobody would come back for what is left, but the resync. Each move but the last one
        takes the way back further, so there is an end.
        """
        del hints
        while True:
            moved = await self._move(key)
            if moved is not None:
                return moved

    async def _move(self, key: WorkflowKey) -> Ack | None:
        """Make one move; None when another one may follow at once."""
        context = self._context
        view = await context.workflows.fetch(key.namespace, key.name)
        if view is None or view.workflow.metadata.uid != key.uid:
            return GONE
        read = view.workflow
        if not trigger.may_move(read):
            return Ack(note="nothing to undo")
        bounds = self._bounds()
        executions = await self._read_in_time(read, bounds)
        safety = await self._asked(read, executions, bounds)

        def moved(workflow: WorkflowExecution) -> WorkflowStatus | None:
            return trigger.decide(
                workflow,
                executions,
                now=context.clock.now(),
                bounds=bounds,
                safety=safety,
                fresh=workflow.metadata.resource_version == read.metadata.resource_version,
            )

        saved = await context.workflows.update(key.namespace, key.name, key.uid, moved, view=view)
        if saved is None:
            return GONE
        await self._wake(saved, executions, bounds)
        waiting = await self._carry_out(saved, executions, bounds)
        await self._announcer.announce(read, saved)
        changed = saved.status.rollback != read.status.rollback
        return None if changed and not waiting else Ack(note=str(saved.status.phase))

    async def _read_in_time(
        self, workflow: WorkflowExecution, bounds: Bounds
    ) -> dict[ExecutionName, KubernetesExecution]:
        """Return the executions, after revoking the one that nobody took up in time."""
        executions = await self._read(workflow)
        late = trigger.overdue_unclaimed(
            workflow, executions, now=self._context.clock.now(), bounds=bounds
        )
        if late is None:
            return executions
        await self._revoke(late)
        return await self._read(workflow)

    async def _asked(
        self,
        workflow: WorkflowExecution,
        executions: dict[ExecutionName, KubernetesExecution],
        bounds: Bounds,
    ) -> Safety | None:
        """Return what the safety policies say of the try that begins next; None for no policies."""
        context = self._context
        if context.checker is None:
            return None
        wanted = trigger.next_try(workflow, executions, now=context.clock.now(), bounds=bounds)
        if wanted is None:
            return {}
        step = wanted.spec.step_name
        answer = await context.checker.judge(
            workflow,
            step,
            action=wanted.spec.action,
            parameters=wanted.spec.parameters,
            rollback=True,
        )
        return {(step, wanted.spec.attempt): answer}

    async def _wake(
        self,
        workflow: WorkflowExecution,
        executions: dict[ExecutionName, KubernetesExecution],
        bounds: Bounds,
    ) -> None:
        """Have the workflow looked at when a retry or a deadline is due; survives restarts."""
        due = trigger.next_look(workflow, executions, bounds=bounds)
        if due is not None:
            await self._context.publisher.wake(workflow, at=due, key="undo")

    async def _read(self, workflow: WorkflowExecution) -> dict[ExecutionName, KubernetesExecution]:
        found = await self._context.executions.of_workflow(
            workflow.metadata.namespace, workflow.metadata.uid
        )
        return {ExecutionName(each.metadata.name): each for each in found}

    async def _carry_out(
        self,
        workflow: WorkflowExecution,
        executions: dict[ExecutionName, KubernetesExecution],
        bounds: Bounds,
    ) -> bool:
        """Create and drive the undo that holds the token; return whether to wait for it.

        One that was just created is not waited for before it is noted that it was.
        """
        wanted = trigger.wanted_execution(workflow, executions, bounds=bounds)
        if wanted is None:
            return False
        found = executions.get(ExecutionName(wanted.metadata.name))
        execution = found or await self._create(workflow, wanted)
        if execution is None or execution.is_terminal:
            return False
        await self._context.publisher.command(execution)
        return found is not None or can_be_repeated(execution)

    async def _create(
        self, workflow: WorkflowExecution, wanted: KubernetesExecution
    ) -> KubernetesExecution | None:
        context, meta = self._context, wanted.metadata
        try:
            return await context.executions.create(wanted)
        except AlreadyExistsError:
            found = await context.executions.fetch(meta.namespace, meta.name)
        if found is not None and not is_ours(found, wanted):
            message = f"KubernetesExecution {meta.name} belongs to somebody else"
            context.recorder.warning(workflow, reason="NameCollision", message=message)
            return None
        return found

    async def _revoke(self, execution: KubernetesExecution) -> None:
        """Mark an execution Cancelled that nobody took up; a claim at the same moment wins."""
        context = self._context
        try:
            await context.executions.cancel(
                execution, message="out of time before it was taken up", now=context.clock.now()
            )
        except (ConflictError, NotFoundError):
            return
        context.log.info("undo revoked", execution=execution.metadata.name)

    def _bounds(self) -> Bounds:
        limits = self._context.limits.current
        return Bounds(
            attempts=limits.rollback_max_attempts,
            step=limits.rollback_step_timeout,
            whole=limits.rollback_timeout,
        )


def _phase_of(item: dict[str, Any]) -> str:
    return str(item.get("status", {}).get("phase", ""))
