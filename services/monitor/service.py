"""The monitor's shell: read the executions of a workflow, judge its steps, save, say so.

Postconditions are looked at in between, on what was saved: however long that takes, what the
executions say is known to all, and what it finds counts only for the attempt it was about.
"""

import asyncio
from collections.abc import Sequence

from services.monitor.announcing import Announcer
from services.monitor.core.assess import Timeouts, assess, deadline_of, expected_executions
from services.monitor.core.finished import is_finished
from services.monitor.core.judging import Executions
from services.monitor.core.verifying import Rounds, next_round
from services.monitor.rounds import Verifier
from shared.api.execution import KubernetesExecution
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import WorkflowStatus
from shared.contracts import consumers
from shared.contracts.subjects import Fact, Service
from shared.ids import ExecutionName
from shared.kube.store import WorkflowView
from shared.outcome import Ack, Outcome
from shared.worker.context import Context
from shared.worker.keys import Hint, WorkflowKey
from shared.worker.recent import Recent
from shared.worker.reconciler import GONE, WorkflowReconciler


class Monitor:
    """Judges steps by their executions, and workflows by the clock."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._announcer = Announcer(context)
        self._verifier = Verifier(context.checker)
        self._armed = Recent()
        """Workflows with a timer for their deadline."""
        self.reconciler = WorkflowReconciler(
            context,
            self.reconcile,
            consumers=[consumers.MONITOR, consumers.TIMERS[Service.MONITOR]],
            is_finished=is_finished,
        )

    async def run(self) -> None:
        """Work until cancelled."""
        await self.reconciler.run()

    def resync_now(self) -> None:
        """Walk all unfinished workflows soon."""
        self.reconciler.resync_now()

    async def reconcile(self, key: WorkflowKey, hints: Sequence[Hint]) -> Outcome:
        """Bring the steps of a workflow up to date with their executions, and with the clock."""
        if key.uid in self._armed and all(hint.fact == Fact.CLAIMED for hint in hints):
            return Ack(note="a step runs from its grant on")
        context = self._context
        view = await context.workflows.fetch(key.namespace, key.name)
        if view is None or view.workflow.metadata.uid != key.uid:
            return GONE
        executions = await self._read(view.workflow)
        seen = view.workflow
        saved = await self._judge(key, seen, executions, self._verifier.nothing, view=view)
        if saved is None:
            return GONE
        rounds = await self._verifier.rounds(saved, hints, now=context.clock.now())
        if rounds:
            known = view if saved is seen else None
            saved = await self._judge(key, saved, executions, rounds, view=known)
            if saved is None:
                return GONE
        await self._arm(saved)
        return Ack(note=f"{saved.status.progress} percent")

    async def _judge(
        self,
        key: WorkflowKey,
        seen: WorkflowExecution,
        executions: Executions,
        rounds: Rounds | None,
        *,
        view: WorkflowView | None,
    ) -> WorkflowExecution | None:
        """Save what is new, and say so; None when the workflow is gone."""
        context = self._context

        def decide(workflow: WorkflowExecution) -> WorkflowStatus | None:
            now = context.clock.now()
            return assess(workflow, executions, now=now, timeouts=self._timeouts(), rounds=rounds)

        saved = await context.workflows.update(key.namespace, key.name, key.uid, decide, view=view)
        if saved is not None:
            await self._announcer.announce(seen, saved)
        return saved

    async def _read(self, workflow: WorkflowExecution) -> dict[ExecutionName, KubernetesExecution]:
        names = expected_executions(workflow)
        namespace = workflow.metadata.namespace
        found = await asyncio.gather(
            *(self._context.executions.fetch(namespace, name) for name in names)
        )
        return {name: each for name, each in zip(names, found, strict=True) if each}

    async def _arm(self, workflow: WorkflowExecution) -> None:
        """Have the workflow looked at when its time is up, and for the next round, if any."""
        due = next_round(workflow)
        if due is not None:
            await self._context.publisher.wake(workflow, at=due, key="verify")
        deadline = deadline_of(workflow, self._timeouts())
        if deadline is None:
            return
        await self._context.publisher.wake(workflow, at=deadline, key="deadline")
        self._armed.add(workflow.metadata.uid)

    def _timeouts(self) -> Timeouts:
        limits = self._context.limits.current
        return Timeouts(
            small=limits.workflow_timeout_small,
            medium=limits.workflow_timeout_medium,
            large=limits.workflow_timeout_large,
        )
