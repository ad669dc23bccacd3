"""The shell around adjustments: save what was decided on them, and say so."""

from services.planner.conditions import unusable_policies
from services.planner.core.adjusting import revised
from services.planner.job_templates import jobs_of
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import WorkflowStatus
from shared.contracts.subjects import Fact
from shared.expressions.due import undecided
from shared.worker.context import Context


class Adjustments:
    """Revises the plans of workflows that run."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def advance(self, workflow: WorkflowExecution) -> WorkflowExecution | None:
        """Decide on all adjustments that are due; None when the workflow is gone.

        One compare-and-swap: a step that is granted meanwhile is seen, and decided on anew.
        """
        context, meta = self._context, workflow.metadata
        if not undecided(workflow) or workflow.status.execution_plan is None:
            return workflow
        before = workflow
        unusable = await unusable_policies(context.checker, workflow)
        jobs = await jobs_of(context, workflow)

        def decide(current: WorkflowExecution) -> WorkflowStatus | None:
            nonlocal before
            before = current
            now, limits = context.clock.now(), context.limits.current
            return revised(current, limits, now=now, unusable=unusable, jobs=jobs)

        if decide(workflow) is None:
            return workflow
        saved = await context.workflows.update(meta.namespace, meta.name, meta.uid, decide)
        if saved is not None:
            await self.announce(before, saved)
        return saved

    async def announce(self, before: WorkflowExecution, after: WorkflowExecution) -> None:
        """Tell of the adjustments that one write decided on."""
        context = self._context
        told = {entry.name for entry in before.status.adaptive_adjustments}
        news = [each for each in after.status.adaptive_adjustments if each.name not in told]
        for entry in news:
            context.metrics.plan_revised(entry.accepted)
            context.log.info("adjustment decided", name=entry.name, accepted=entry.accepted)
            if entry.accepted:
                message = f"{entry.name}: {entry.adjustment} (revision {entry.revision})"
                context.recorder.normal(after, reason="PlanRevised", message=message)
            else:
                context.recorder.warning(
                    after, reason="AdjustmentRefused", message=f"{entry.name}: {entry.reason}"
                )
        if news:
            await context.publisher.fact(
                after, Fact.ADJUSTMENT_DECIDED, occurrence=after.metadata.resource_version
            )
