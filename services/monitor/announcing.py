"""What the monitor tells others after a write: facts, events, metrics."""

from typing import Final

from services.monitor.core.verifying import failing_condition
from shared.api.enums import ErrorType, StepPhase, StepReason
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import StepStatus
from shared.contracts.subjects import Fact
from shared.worker.context import Context
from shared.worker.ending import announce_end
from shared.worker.overrides import announce_overrides

_SETTLED: Final = {
    StepPhase.COMPLETED: Fact.STEP_COMPLETED,
    StepPhase.FAILED: Fact.STEP_FAILED,
}


class Announcer:
    """Says what changed between two versions of a workflow."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def announce(self, before: WorkflowExecution, after: WorkflowExecution) -> None:
        """Publish what one write of the monitor brought about."""
        known = {step.name: step for step in before.status.steps}
        for step in after.status.steps:
            fact = _news(known.get(step.name), step)
            if fact is None:
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
        announce_overrides(self._context, before, after)
        if before.status.timed_out_at is None and after.status.timed_out_at is not None:
            await self._timed_out(after)
        await announce_end(self._context, before, after)

    def _record(self, workflow: WorkflowExecution, step: StepStatus) -> None:
        context = self._context
        retried = step.reason is StepReason.RETRYING
        if retried:
            context.metrics.step_retried(step.action)
        else:
            context.metrics.step_ended(action=step.action, outcome=str(step.phase))
        if step.error_type is ErrorType.TIMEOUT:
            context.metrics.timeout_exceeded("step")
        failing = failing_condition(step)
        if step.error_type is ErrorType.POSTCONDITION_FAILED and failing is not None:
            context.metrics.policies.postcondition_timed_out(step.action, failing.condition_type)
        if retried or step.phase is StepPhase.FAILED:
            context.recorder.warning(
                workflow,
                reason="StepRetrying" if retried else "StepFailed",
                message=f"step {step.name}: {step.message}",
            )
        context.log.info(
            "step judged", step=step.name, phase=str(step.phase), attempt=step.attempts
        )

    async def _timed_out(self, workflow: WorkflowExecution) -> None:
        context = self._context
        context.metrics.timeout_exceeded("workflow")
        context.recorder.warning(
            workflow, reason="WorkflowTimedOut", message=workflow.status.message
        )
        context.log.warning("workflow timed out")
        await context.publisher.fact(workflow, Fact.WORKFLOW_TIMED_OUT)


def _news(before: StepStatus | None, after: StepStatus) -> Fact | None:
    """Return what happened to a step in one write, or None."""
    if after.reason is StepReason.RETRYING:
        same = before is not None and before.reason is StepReason.RETRYING
        again = before is None or before.attempts != after.attempts
        return Fact.STEP_RETRYING if again or not same else None
    settled = before is None or before.phase is not after.phase
    return _SETTLED.get(after.phase) if settled else None
