"""The planner's shell: read a workflow, validate and plan it, save the plan, say so."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from services.planner.adjustments import Adjustments
from services.planner.approvals import Approvals
from services.planner.baselines import Baselines, baselines_of
from services.planner.conditions import unusable_policies
from services.planner.core.adjusting import revised
from services.planner.core.approving import needed
from services.planner.core.conditions import Unusable
from services.planner.core.finished import is_finished
from services.planner.core.job_templates import Jobs
from services.planner.core.plan import initial_steps, make_plan
from services.planner.core.remediation import Remediation
from services.planner.core.timeouts import planning_defect
from services.planner.core.validate import Defect, validate
from services.planner.job_templates import jobs_of
from services.planner.remediations import remediation_of
from shared.api.enums import Phase
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import ValidationResults, WorkflowStatus
from shared.contracts import consumers
from shared.contracts.subjects import Fact, Service
from shared.outcome import Ack, Outcome
from shared.worker.context import Context
from shared.worker.keys import Hint, WorkflowKey
from shared.worker.reconciler import GONE, WorkflowReconciler
from shared.workflow.undone import irreversible

_MAX_ERRORS = 32
_MAX_ERROR_LENGTH = 512
_MAX_NAMED = 900
"""What an Event has room for."""


class Planner:
    """Plans every workflow once, and anew when an adjustment asks for it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._adjustments = Adjustments(context)
        self._approvals = Approvals(context)
        self.reconciler = WorkflowReconciler(
            context,
            self.reconcile,
            consumers=[consumers.PLANNER, consumers.TIMERS[Service.PLANNER]],
            is_finished=is_finished,
        )

    async def run(self) -> None:
        """Work until cancelled."""
        await self.reconciler.run()

    def resync_now(self) -> None:
        """Walk all unfinished workflows soon."""
        self.reconciler.resync_now()

    async def reconcile(self, key: WorkflowKey, hints: Sequence[Hint]) -> Outcome:
        """Plan the workflow unless it is planned already."""
        del hints
        view = await self._context.workflows.fetch(key.namespace, key.name)
        if view is None or view.workflow.metadata.uid != key.uid:
            return GONE
        if not needs_planning(view.workflow):
            return await self._follow(view.workflow)
        began = self._context.clock.now()
        remediation = await remediation_of(self._context.cluster, view.workflow)
        unusable = await unusable_policies(self._context.checker, view.workflow)
        jobs = await jobs_of(self._context, view.workflow)
        baselines = await baselines_of(self._context, view.workflow)

        def decide(workflow: WorkflowExecution) -> WorkflowStatus | None:
            return self._decide(workflow, remediation, unusable, jobs, baselines, began=began)

        saved = await self._context.workflows.update(
            key.namespace, key.name, key.uid, decide, view=view
        )
        if saved is None:
            return GONE
        await self._announce(saved)
        await self._adjustments.announce(view.workflow, saved)
        return await self._follow(saved)

    async def _follow(self, workflow: WorkflowExecution) -> Outcome:
        """Do what a planned workflow still needs: changes of the plan, answers from people."""
        adjusted = await self._adjustments.advance(workflow)
        if adjusted is None:
            return GONE
        if adjusted.is_terminal or adjusted.status.execution_plan is None:
            return Ack(note="planned already")
        followed = await self._approvals.advance(adjusted)
        return GONE if followed is None else Ack(note=str(followed.status.phase))

    def _decide(
        self,
        workflow: WorkflowExecution,
        remediation: Remediation,
        unusable: Unusable,
        jobs: Jobs,
        baselines: Baselines,
        *,
        began: datetime,
    ) -> WorkflowStatus | None:
        if not needs_planning(workflow):
            return None
        now = self._context.clock.now()
        begun = msgspec.structs.replace(
            workflow.status,
            start_time=began,
            planning_start_time=began,
            planning_complete_time=now,
            total_steps=len(workflow.spec.workflow_definition.steps),
        )
        limits = self._context.limits.current
        defects = validate(
            workflow,
            max_steps=limits.max_steps,
            max_depth=limits.max_dependency_depth,
            longest_undo=limits.rollback_step_timeout,
            unusable=unusable,
            jobs=jobs,
        )
        if defects or remediation.defects:
            return _refused(begun, [*defects, *remediation.defects])
        checker = self._context.checker
        plan = msgspec.structs.replace(
            make_plan(workflow),
            remediation=remediation.data,
            baselines=dict(baselines),
            policy_revision=checker.revision if checker else "",
        )
        late = planning_defect(self._context.clock.now() - began, limits.planning_timeout)
        if late is not None:
            return _refused(begun, [late])
        planned = msgspec.structs.replace(
            begun,
            execution_plan=plan,
            plan_revision=plan.revision,
            steps=initial_steps(workflow, plan),
            approval=needed(workflow, plan, limits, now=now),
            validation_results=ValidationResults(),
        )
        written = msgspec.structs.replace(workflow, status=planned)
        return revised(written, limits, now=now, unusable=unusable, jobs=jobs) or planned

    async def _announce(self, workflow: WorkflowExecution) -> None:
        context, status = self._context, workflow.status
        if status.phase is Phase.FAILED:
            context.recorder.warning(workflow, reason=status.reason, message=status.message)
            context.metrics.plan_refused(workflow.metadata.namespace, status.reason)
            await context.publisher.fact(workflow, Fact.PLAN_FAILED)
            context.log.info("plan refused", reason=status.reason)
            return
        plan = status.execution_plan
        batches = len(plan.batches) if plan else 0
        told = [f"{status.total_steps} steps, {batches} batches"]
        told += filter(None, [irreversible(plan, limit=_MAX_NAMED) if plan else ""])
        context.recorder.normal(workflow, reason="Planned", message="; ".join(told))
        await context.publisher.fact(workflow, Fact.PLAN_READY)
        context.log.info("plan published", steps=status.total_steps)


def needs_planning(workflow: WorkflowExecution) -> bool:
    """Return whether a workflow has neither a plan nor a verdict against it."""
    return workflow.status.phase in {Phase.PENDING, Phase.PLANNING}


def _refused(begun: WorkflowStatus, defects: Sequence[Defect]) -> WorkflowStatus:
    errors = [_render(defect) for defect in defects[:_MAX_ERRORS]]
    return msgspec.structs.replace(
        begun, validation_results=ValidationResults(validation_errors=errors)
    )


def _render(defect: Defect) -> str:
    return f"{defect.path}: {defect.reason}: {defect.message}"[:_MAX_ERROR_LENGTH]
