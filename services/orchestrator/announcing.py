"""What the orchestrator tells others after a write: facts, events, metrics."""

from collections.abc import Mapping
from typing import Final

from services.orchestrator.core.guarding import failed_condition
from shared.api.enums import StepPhase, StepReason
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import StepStatus
from shared.contracts.subjects import Fact
from shared.expressions.due import due
from shared.worker.context import Context
from shared.worker.ending import announce_end
from shared.worker.overrides import announce_overrides
from shared.workflow.phases import rollback_may_begin

_HELD_UP: Final[Mapping[StepReason | None, str]] = {
    StepReason.PRECONDITION_FAILED: "PreconditionBlocked",
    StepReason.POLICY_UNAVAILABLE: "PolicyUnavailable",
}
"""Events of steps that wait for policies, by reason."""


class Announcer:
    """Says what changed between two versions of a workflow."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def announce(self, before: WorkflowExecution, after: WorkflowExecution) -> None:
        """Publish what one write of the orchestrator brought about."""
        await self._tokens(before, after)
        await self._steps(before, after)
        announce_overrides(self._context, before, after)
        self._control(before, after)
        publisher = self._context.publisher
        if due(after):
            version = after.metadata.resource_version
            await publisher.fact(after, Fact.ADJUSTMENT_DUE, occurrence=version)
        if rollback_may_begin(after):
            await publisher.fact(
                after, Fact.ROLLBACK_DUE, occurrence=after.metadata.resource_version
            )
        await announce_end(self._context, before, after)

    async def _tokens(self, before: WorkflowExecution, after: WorkflowExecution) -> None:
        context = self._context
        for name, token in after.status.tokens.items():
            if before.status.tokens.get(name) != token:
                context.metrics.token_granted()
                context.log.info("step granted", step=name, attempt=token.attempt)
                await context.publisher.fact(
                    after, Fact.STEP_GRANTED, step=name, attempt=token.attempt, fence=token.fence
                )
        for _ in before.status.tokens.keys() - after.status.tokens.keys():
            context.metrics.token_released()

    async def _steps(self, before: WorkflowExecution, after: WorkflowExecution) -> None:
        publisher, version = self._context.publisher, after.metadata.resource_version
        known = {step.name: step for step in before.status.steps}
        ended = False
        for step in after.status.steps:
            old = known.get(step.name)
            if old is not None and (old.phase, old.reason) == (step.phase, step.reason):
                continue
            if step.reason is StepReason.AWAITING_APPROVAL or _is_held_up(step):
                self._held_up(after, step)
                await publisher.fact(after, Fact.STEP_BLOCKED, step=step.name, occurrence=version)
            elif step.phase in {StepPhase.FAILED, StepPhase.SKIPPED}:
                ended = True
                self._ended(after, step)
        if ended:
            await publisher.fact(after, Fact.STEPS_SETTLED, occurrence=version)

    def _held_up(self, workflow: WorkflowExecution, step: StepStatus) -> None:
        """Tell of a step that policies began to hold up."""
        if not _is_held_up(step):
            return
        event = _HELD_UP[step.reason]
        context, failing = self._context, failed_condition(step.pre_condition_results)
        message = f"step {step.name}: {step.message}"
        context.recorder.warning(workflow, reason=event, message=message)
        context.log.warning("step held up", step=step.name, why=step.message)
        if step.reason is StepReason.PRECONDITION_FAILED and failing is not None:
            context.metrics.policies.step_blocked(step.action, failing.condition_type)

    def _ended(self, workflow: WorkflowExecution, step: StepStatus) -> None:
        context, message = self._context, f"step {step.name}: {step.message}"
        if step.phase is StepPhase.FAILED:
            violates = step.reason is StepReason.POLICY_VIOLATION
            event = "PolicyViolation" if violates else "StepFailed"
            context.recorder.warning(workflow, reason=event, message=message)
        failing = failed_condition(step.pre_condition_results)
        if step.reason is StepReason.PRECONDITION_FAILED and failing is not None:
            context.metrics.policies.precondition_timed_out(failing.condition_type)
        context.log.info("step ended without an execution", step=step.name, phase=str(step.phase))

    def _control(self, before: WorkflowExecution, after: WorkflowExecution) -> None:
        control = after.status.control
        if control is None or control == before.status.control:
            return
        context = self._context
        verb = str(control.verb or "none")
        context.metrics.control_requested(verb, control.accepted)
        context.log.info("control taken up", verb=verb, accepted=control.accepted)
        if not control.accepted:
            context.recorder.warning(
                after,
                reason="ControlRefused",
                message=f"{verb}: {control.reason}: {control.message}",
            )
        else:
            context.recorder.normal(after, reason="ControlAccepted", message=verb)


def _is_held_up(step: StepStatus) -> bool:
    return step.phase is StepPhase.BLOCKED and step.reason in _HELD_UP
