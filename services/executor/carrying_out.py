"""Carries out one claimed execution: acts, waits, and says how it ended.

An action whose workflow ends what is in flight is told to stop; it then ends at a moment when
it is known whether its change was made.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from services.executor.acting import targets_for
from services.executor.actions import waiting
from services.executor.capture import is_captured_undo, mutation_of, parameters_for
from services.executor.core import changes, dry_runs, results
from services.executor.core.captures import Mutation
from services.executor.core.changes import RefusedError
from services.executor.effect import Effect
from services.executor.held import HeldClaim
from services.executor.ledger import LedgerCluster
from services.executor.quarantine import Quarantine
from services.executor.settling import Settling
from services.executor.stop import Stop
from shared.api.enums import ErrorType, ExecutionKind, Intent, OnInFlight
from shared.api.execution import ExecutionStatus, KubernetesExecution
from shared.api.parameters import NotifyOnly, QuarantinePod, RolloutStatus, WaitForCondition
from shared.api.results import CustomResult, DryRunResults, StepResult
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
        self._held = HeldClaim(context.executions, claim)
        self._cluster = LedgerCluster(targets_for(context, claim), self._held)
        self._stop = Stop()
        started = claim.status.start_time or context.clock.now()
        self._deadline = started + durations.parse(claim.spec.timeout)
        self._dry_run: DryRunResults | None = None

    async def run(self) -> ExecutionStatus:
        """Return the status it ends in.

        Raises:
            FencedError: when the claim is gone.
            TransientError: when it is to be taken up again.
        """
        status = await self._outcome()
        now = self._context.clock.now()
        return dry_runs.told(self._held.now, status, self._dry_run, now=now)

    async def _outcome(self) -> ExecutionStatus:
        clock = self._context.clock
        try:
            result = await self._act()
            return results.completed(self._held.now, result, now=clock.now())
        except RefusedError as error:
            return results.failed(self._held.now, error, now=clock.now())
        except PermanentError as error:
            refused = RefusedError(error_type_of(error), str(error)[:256], reason=error.reason)
            return results.failed(self._held.now, refused, now=clock.now())

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
        parameters, mutation = parameters_for(self._claim), mutation_of(self._claim)
        if mutation is not None:
            return await self._mutate(mutation)
        match parameters:
            case None:
                raise RefusedError(ErrorType.VALIDATION_ERROR, "the action has no parameters")
            case NotifyOnly(message=message):
                recorder = self._context.recorder
                recorder.normal(self._workflow, reason="Notification", message=message)
                told = CustomResult(action_type="notify_only", output=message)
                return StepResult(success=True, custom_result=told)
            case WaitForCondition() | RolloutStatus():
                return await self._look(parameters)
            case _:
                action = self._claim.spec.action
                raise RefusedError(ErrorType.VALIDATION_ERROR, f"nothing here carries out {action}")

    async def _look(self, parameters: WaitForCondition | RolloutStatus) -> StepResult:
        namespace = self._claim.metadata.namespace
        settling = Settling(
            self._cluster, clock=self._context.clock, deadline=self._deadline, stop=self._stop
        )
        done = await settling.wait(
            waiting.address(parameters, namespace),
            lambda live: waiting.judge(parameters, live),
            if_stopped="cancelled while waiting; nothing was to be changed",
        )
        return done.result

    async def _mutate(self, mutation: Mutation) -> StepResult:
        effect = Effect(
            self._cluster,
            self._context.executions,
            self._held,
            mutation,
            clock=self._context.clock,
            deadline=self._deadline,
            stop=self._stop,
            gitops=self._context.limits.current.gitops,
        )
        if self._claim.spec.intent is Intent.SETTLE:
            return await self._settle_lost(effect)
        quarantine = self._quarantine(mutation)
        undoes = is_captured_undo(self._claim)
        if quarantine is not None and not undoes:
            await self._patiently(quarantine.close)
        try:
            await self._patiently(effect.apply)
        finally:
            self._dry_run = effect.dry_run.found
        done = await effect.settle()
        undo = self._claim.spec.rollback_of
        if quarantine is not None and undo is not None and undo.target is not None and undoes:
            uid = undo.target.uid
            await self._patiently(lambda: quarantine.open(uid))
        affected = [str(mutation.address)]
        return msgspec.structs.replace(done.result, resources_affected=affected)

    def _quarantine(self, mutation: Mutation) -> Quarantine | None:
        if not isinstance(mutation.parameters, QuarantinePod):
            return None
        address = mutation.address
        return Quarantine(self._cluster, pod=address.name, namespace=address.namespace)

    async def _settle_lost(self, effect: Effect) -> StepResult:
        if await effect.look():
            return (await effect.settle()).result
        raise RefusedError(
            ErrorType.UNKNOWN_ERROR,
            "its execution was deleted, and the change is not on the target",
            reason="Unknown",
        )

    async def _patiently(self, act: Callable[[], Awaitable[None]]) -> None:
        """Act, and again while the API server cannot be reached, until the deadline."""
        while True:
            try:
                await act()
            except TransientError:
                if self._context.clock.now() >= self._deadline:
                    raise changes.too_late("the API server") from None
                await asyncio.sleep(_HELD_RETRY_S)
                continue
            return
