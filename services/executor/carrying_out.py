"""Carries out one claimed execution: acts, waits, and says how it ended.

An action whose workflow ends what is in flight is told to stop; it then ends at a moment when
it is known whether its change was made.
"""

import asyncio
from typing import Final

import msgspec

from services.executor.actions import mutations
from services.executor.actions.mutations import Mutation
from services.executor.capture import parameters_for
from services.executor.core import dry_runs, results
from services.executor.core.changes import RefusedError
from services.executor.effect import Effect
from services.executor.stop import Stop
from shared.api.enums import ErrorType, ExecutionKind, Intent, OnInFlight
from shared.api.execution import ExecutionStatus, KubernetesExecution
from shared.api.parameters import (
    NotifyOnly,
    RestartDeployment,
    ScaleDeployment,
    UpdateImage,
    WaitForCondition,
)
from shared.api.results import CustomResult, StepResult
from shared.api.workflow import WorkflowExecution
from shared.errors import MendflowError, PermanentError, TransientError
from shared.waiting import happened
from shared.worker.context import Context
from shared.workflow import durations
from shared.workflow.refusals import error_type_of
from shared.workflow.stopping import cancels_in_flight

_HELD_RETRY_S: Final = 1.0
_LOOK_S: Final = 5.0


class CarryingOut:
    """One claimed execution in work."""

    def __init__(
        self, context: Context, claim: KubernetesExecution, workflow: WorkflowExecution
    ) -> None:
        self._context = context
        self._workflow = workflow
        self._claim = claim
        self._stop = Stop()
        started = claim.status.start_time or context.clock.now()
        self._effect = Effect(
            context.acting_as(claim.metadata.namespace),
            context.executions,
            claim,
            clock=context.clock,
            deadline=started + durations.parse(claim.spec.timeout),
            stop=self._stop,
        )

    async def run(self) -> ExecutionStatus:
        """Return the status it ends in.

        Raises:
            FencedError: when the claim is gone.
            TransientError: when it is to be taken up again.
        """
        status, effect = await self._outcome(), self._effect
        now = self._context.clock.now()
        return dry_runs.told(effect.claim, status, effect.dry_run.found, now=now)

    async def _outcome(self) -> ExecutionStatus:
        clock = self._context.clock
        try:
            result = await self._act()
            return results.completed(self._effect.claim, result, now=clock.now())
        except RefusedError as error:
            return results.failed(self._effect.claim, error, now=clock.now())
        except PermanentError as error:
            refused = RefusedError(error_type_of(error), str(error)[:256], reason=error.reason)
            return results.failed(self._effect.claim, refused, now=clock.now())

    @property
    def can_be_cancelled(self) -> bool:
        """Return whether its workflow may end it in flight; the way back is never ended."""
        wanted = self._workflow.spec.execution_strategy.on_in_flight is OnInFlight.CANCEL
        return wanted and self._claim.spec.kind is ExecutionKind.FORWARD

    async def stop_when_cancelled(self, look_again: asyncio.Event) -> None:
        """Look at the workflow at each ring of `look_again`, and tell the action to stop."""
        context, meta = self._context, self._claim.metadata
        workflow: WorkflowExecution | None = self._workflow
        while workflow is not None and not cancels_in_flight(workflow):
            await happened(look_again, within_s=_LOOK_S)
            look_again.clear()
            try:
                view = await context.workflows.fetch(meta.namespace, self._workflow.metadata.name)
            except MendflowError as error:
                context.log.debug("workflow not read", reason=error.reason)
                continue
            workflow = view.workflow if view else None
        self._stop.ask()

    async def _act(self) -> StepResult:
        parameters = parameters_for(self._claim)
        match parameters:
            case None:
                raise RefusedError(ErrorType.VALIDATION_ERROR, "the action has no parameters")
            case NotifyOnly(message=message):
                recorder = self._context.recorder
                recorder.normal(self._workflow, reason="Notification", message=message)
                told = CustomResult(action_type="notify_only", output=message)
                return StepResult(success=True, custom_result=told)
            case WaitForCondition():
                return (await self._effect.wait_for(parameters)).result
            case ScaleDeployment() | RestartDeployment() | UpdateImage():
                return await self._mutate(parameters)
            case _:
                raise RefusedError(ErrorType.VALIDATION_ERROR, "not carried out yet")

    async def _mutate(self, mutation: Mutation) -> StepResult:
        effect = self._effect
        if self._claim.spec.intent is Intent.SETTLE:
            if await effect.look(mutation):
                return (await effect.settle(mutation)).result
            raise RefusedError(
                ErrorType.UNKNOWN_ERROR,
                "its execution was deleted, and the change is not on the target",
                reason="Unknown",
            )
        await self._patiently(mutation)
        address = mutations.address(mutation, self._claim.metadata.namespace)
        done = await effect.settle(mutation)
        return msgspec.structs.replace(done.result, resources_affected=[str(address)])

    async def _patiently(self, mutation: Mutation) -> None:
        """Apply, and again while the API server cannot be reached: its deadline bounds it."""
        while True:
            try:
                await self._effect.apply(mutation)
            except TransientError:
                await asyncio.sleep(_HELD_RETRY_S)
                continue
            return
