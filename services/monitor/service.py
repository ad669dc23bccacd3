"""The monitor's shell: read the executions of a workflow, judge its steps, save, say so."""

import asyncio
from collections.abc import Sequence

from services.monitor.core.assess import assess, expected_executions
from shared.api.enums import StepPhase
from shared.api.execution import KubernetesExecution
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import StepStatus, WorkflowStatus
from shared.contracts import consumers
from shared.contracts.subjects import Fact
from shared.ids import ExecutionName
from shared.outcome import Ack, Outcome
from shared.worker.context import Context
from shared.worker.keys import Hint, WorkflowKey
from shared.worker.reconciler import GONE, WorkflowReconciler

_ANNOUNCED = {
    StepPhase.COMPLETED: Fact.STEP_COMPLETED,
    StepPhase.FAILED: Fact.STEP_FAILED,
}


class Monitor:
    """Judges steps by their executions."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.reconciler = WorkflowReconciler(
            context,
            self.reconcile,
            consumers=[consumers.MONITOR],
            ignored=frozenset({Fact.CLAIMED}),  # a step runs from its grant on
        )

    async def run(self) -> None:
        """Work until cancelled."""
        await self.reconciler.run()

    def resync_now(self) -> None:
        """Walk all unfinished workflows soon."""
        self.reconciler.resync_now()

    async def reconcile(self, key: WorkflowKey, hints: Sequence[Hint]) -> Outcome:
        """Bring the steps of a workflow up to date with their executions."""
        del hints
        context = self._context
        view = await context.workflows.fetch(key.namespace, key.name)
        if view is None or view.workflow.metadata.uid != key.uid:
            return GONE
        executions = await self._read(view.workflow)

        def decide(workflow: WorkflowExecution) -> WorkflowStatus | None:
            return assess(workflow, executions, now=context.clock.now())

        saved = await context.workflows.update(key.namespace, key.name, key.uid, decide, view=view)
        if saved is None:
            return GONE
        await self._announce(view.workflow, saved)
        return Ack(note=f"{saved.status.progress} percent")

    async def _read(self, workflow: WorkflowExecution) -> dict[ExecutionName, KubernetesExecution]:
        names = expected_executions(workflow)
        namespace = workflow.metadata.namespace
        found = await asyncio.gather(
            *(self._context.executions.fetch(namespace, name) for name in names)
        )
        return {name: each for name, each in zip(names, found, strict=True) if each}

    async def _announce(self, before: WorkflowExecution, after: WorkflowExecution) -> None:
        known = {step.name: step.phase for step in before.status.steps}
        for step in after.status.steps:
            fact = _ANNOUNCED.get(step.phase)
            if fact is None or known.get(step.name) is step.phase:
                continue
            self._record(after, step)
            token = after.status.tokens.get(step.name)
            await self._context.publisher.fact(
                after,
                fact,
                step=step.name,
                attempt=step.attempts,
                fence=token.fence if token else 0,
            )

    def _record(self, workflow: WorkflowExecution, step: StepStatus) -> None:
        context = self._context
        context.metrics.step_ended(action=step.action, outcome=str(step.phase))
        if step.phase is StepPhase.FAILED:
            context.recorder.warning(
                workflow, reason="StepFailed", message=f"step {step.name}: {step.message}"
            )
        context.log.info("step judged", step=step.name, phase=str(step.phase))
