"""Carries out one claimed execution: acts, waits, and says how it ended.

An action whose workflow ends what is in flight is told to stop; it then ends at a moment when
it is known whether its change was made.
"""

import asyncio
from typing import Final

from services.executor.acting import targets_for
from services.executor.capture import is_captured_undo, mutation_of, parameters_for
from services.executor.capturing_pods import owners_in
from services.executor.changing import Changing
from services.executor.core import changes, claims, dry_runs, results
from services.executor.core.captures import Mutation
from services.executor.core.changes import RefusedError
from services.executor.deleting import Deletion
from services.executor.held import HeldClaim
from services.executor.jobs import JobRunner
from services.executor.ledger import LedgerCluster
from services.executor.looking import Looking
from services.executor.stop import Stop
from shared.api.actions.jobs import ByTemplate
from shared.api.enums import Action, ErrorType, ExecutionKind, Intent, OnInFlight
from shared.api.execution import ExecutionStatus, KubernetesExecution
from shared.api.parameters import (
    CollectDiagnostics,
    DeletePod,
    NotifyOnly,
    RestartPod,
    RolloutStatus,
    WaitForCondition,
)
from shared.api.results import CustomResult, DryRunResults, StepResult
from shared.api.workflow import WorkflowExecution
from shared.effects.problems import problems_of
from shared.errors import MendflowError, PermanentError
from shared.waiting import happened
from shared.worker.context import Context
from shared.workflow import durations
from shared.workflow.refusals import error_type_of
from shared.workflow.stopping import cancels_in_flight

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
        self._job_name = ""
        self._logs = ""

    async def run(self) -> ExecutionStatus:
        """Return the status it ends in.

        Raises:
            FencedError: when the claim is gone.
            TransientError: when it is to be taken up again.
        """
        status = results.with_job(await self._outcome(), name=self._job_name, logs=self._logs)
        now = self._context.clock.now()
        return dry_runs.told(self._held.now, status, self._dry_run, now=now)

    async def _outcome(self) -> ExecutionStatus:
        clock = self._context.clock
        try:
            _refuse_problems(self._claim)
            try:
                result = await self._act()
            finally:
                self._cluster.forget_unmade()
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
        mutation, parameters = mutation_of(self._claim), parameters_for(self._claim)
        if mutation is not None:
            return await self._change(mutation)
        namespace = self._claim.metadata.namespace
        match parameters:
            case None:
                raise RefusedError(ErrorType.VALIDATION_ERROR, "the action has no parameters")
            case NotifyOnly(message=message):
                recorder = self._context.recorder
                recorder.normal(self._workflow, reason="Notification", message=message)
                told = CustomResult(action_type="notify_only", output=message)
                return StepResult(success=True, custom_result=told)
            case WaitForCondition() | RolloutStatus():
                return await self._looking.wait(parameters, namespace)
            case CollectDiagnostics():
                return await self._looking.collect(parameters, namespace)
            case DeletePod() | RestartPod():
                return await self._delete(parameters, namespace)
            case ByTemplate():
                return await self._run_job(parameters)
            case _:
                action = self._claim.spec.action
                raise RefusedError(ErrorType.VALIDATION_ERROR, f"nothing here carries out {action}")

    async def _run_job(self, parameters: ByTemplate) -> StepResult:
        runner = JobRunner(
            self._cluster,
            self._held,
            clock=self._context.clock,
            deadline=self._deadline,
            stop=self._stop,
            image=self._context.job_image,
        )
        try:
            outcome = await runner.run(parameters, Action(self._claim.spec.action))
        finally:
            self._dry_run = runner.dry_run
            self._job_name, self._logs = runner.job_name, runner.logs
        return outcome.done.result

    @property
    def _looking(self) -> Looking:
        return Looking(
            self._cluster, clock=self._context.clock, deadline=self._deadline, stop=self._stop
        )

    async def _delete(self, parameters: DeletePod | RestartPod, namespace: str) -> StepResult:
        if self._claim.spec.intent is Intent.SETTLE:
            raise changes.unknown("nobody knows which pods were deleted")
        deletion = Deletion(
            self._cluster, clock=self._context.clock, deadline=self._deadline, stop=self._stop
        )
        captured = self._claim.status.rollback_information
        if isinstance(parameters, DeletePod):
            target = captured.target if captured is not None else None
            uid = target.uid if target is not None else ""
            return (await deletion.delete_pod(parameters, namespace, expected_uid=uid)).result
        done = await deletion.restart_pod(
            parameters,
            namespace,
            started=claims.made_at(self._claim, now=self._context.clock.now()),
            owners=owners_in(captured),
        )
        return done.result

    async def _change(self, mutation: Mutation) -> StepResult:
        change = Changing(
            self._context,
            self._cluster,
            self._held,
            mutation,
            deadline=self._deadline,
            stop=self._stop,
        )
        try:
            return await change.run()
        finally:
            self._dry_run = change.dry_run


def _refuse_problems(claim: KubernetesExecution) -> None:
    """Stop where planning would have stopped: an execution may come from elsewhere."""
    parameters = parameters_for(claim)
    if parameters is None or is_captured_undo(claim):
        return
    for field, message in problems_of(parameters):
        text = f"{field}: {message}" if field else message
        raise RefusedError(ErrorType.VALIDATION_ERROR, text)
