"""What the rollback service tells others after a write: facts, events, metrics."""

from typing import Final

from services.rollback.core.advance import RETRYING, TIMED_OUT
from shared.api.enums import Phase, RollbackStepPhase, StepReason
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import RollbackStep
from shared.contracts.subjects import Fact
from shared.worker.context import Context
from shared.workflow.undone import UNDECIDED, summary

_FACTS: Final = {
    Phase.ROLLING_BACK: Fact.ROLLBACK_STEP,
    Phase.ROLLED_BACK: Fact.ROLLBACK_DONE,
    Phase.ROLLBACK_FAILED: Fact.ROLLBACK_DONE,
    Phase.DEGRADED: Fact.ROLLBACK_DONE,
    Phase.FAILED: Fact.ROLLBACK_DONE,
}
_CALM: Final = frozenset({Phase.ROLLING_BACK, Phase.ROLLED_BACK})


class Announcer:
    """Says what changed between two versions of a workflow."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def announce(self, before: WorkflowExecution, after: WorkflowExecution) -> None:
        """Publish what one write of the rollback service brought about."""
        status, context = after.status, self._context
        if status.rollback is None or status.rollback == before.status.rollback:
            return
        earlier = before.status.rollback.steps if before.status.rollback else []
        known = {step.name: step for step in earlier}
        for step in status.rollback.steps:
            self._step(after, known.get(step.name), step)
        fact = _FACTS.get(status.phase)
        if status.phase is not before.status.phase:
            if status.phase is Phase.ROLLING_BACK:
                fact = Fact.ROLLBACK_STARTED
            self._phase(after)
        if fact is not None:
            version = after.metadata.resource_version
            await context.publisher.fact(after, fact, occurrence=version)

    def _phase(self, workflow: WorkflowExecution) -> None:
        context, status, rollback = self._context, workflow.status, workflow.status.rollback
        recorder = context.recorder
        record = recorder.normal if status.phase in _CALM else recorder.warning
        record(workflow, reason=str(status.phase), message=status.message)
        context.log.info("rollback moved", new_phase=str(status.phase))
        if rollback is None:
            return
        if status.phase is Phase.ROLLING_BACK:
            names = ", ".join(step.name for step in rollback.steps) or "nothing"
            where = f"back to {rollback.to}: " if rollback.to else ""
            message = f"{where}undoing {names}"[:256]
            recorder.normal(workflow, reason="RollbackStarted", message=message)
        if status.phase is Phase.ROLLED_BACK:
            recorder.normal(workflow, reason="RollbackCompleted", message=summary(rollback))

    def _step(
        self, workflow: WorkflowExecution, before: RollbackStep | None, step: RollbackStep
    ) -> None:
        """Tell of an undo that failed, for good or until it is tried again, or that asks."""
        if step.reason == UNDECIDED and (before is None or before.message != step.message):
            message = f"undo of {step.name}: {step.message}"
            self._context.recorder.warning(workflow, reason=UNDECIDED, message=message)
            self._context.log.warning("undo waits for a decision", step=step.name)
            return
        if before is not None and (before.phase, before.attempt) == (step.phase, step.attempt):
            return
        context = self._context
        failed = step.phase is RollbackStepPhase.FAILED
        if not failed and step.reason != RETRYING:
            return
        if step.reason == TIMED_OUT:
            context.metrics.timeout_exceeded("rollback")
        violates = step.reason == str(StepReason.POLICY_VIOLATION)
        event = "PolicyViolation" if violates else "RollbackStepFailed"
        context.recorder.warning(
            workflow,
            reason=event if failed else "RollbackStepRetrying",
            message=f"undo of {step.name}: {step.message}"[:256],
        )
        context.log.warning(
            "undo failed", step=step.name, attempt=step.attempt, outcome=step.message
        )
