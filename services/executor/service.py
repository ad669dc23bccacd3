"""The executor's shell: claim, act, wait, record.

The claim is a compare-and-swap that also stores what undoes the change (R2); the result is
written under the same claim (R5). Whoever finds a claim whose holder is gone goes on from
what the target shows.
"""

import asyncio
from typing import Final

import msgspec

from services.executor.actions import mutations
from services.executor.actions.mutations import Mutation
from services.executor.core import changes, claims, results
from services.executor.core.changes import RefusedError
from services.executor.effect import Effect, stamp_of
from services.executor.holders import Holders
from shared.api.enums import TERMINAL_EXECUTION_PHASES, ErrorType, Intent
from shared.api.execution import CapturedInverse, ExecutionStatus, KubernetesExecution
from shared.api.groups import KUBERNETES_EXECUTION
from shared.api.meta import CORRELATION_ANNOTATION
from shared.api.parameters import ActionParameters, NotifyOnly, WaitForCondition
from shared.api.results import CustomResult, StepResult
from shared.api.workflow import WorkflowExecution
from shared.bus.port import Delivery
from shared.contracts import consumers
from shared.contracts.subjects import Fact
from shared.effects.catalogue import canonical, parameters_of
from shared.errors import (
    ConflictError,
    FencedError,
    MendflowError,
    NotFoundError,
    PermanentError,
    TransientError,
)
from shared.kube.port import Object
from shared.outcome import Ack, Outcome, Park, Retry
from shared.telemetry.logging import bound
from shared.worker.context import Context
from shared.worker.keys import read_bell
from shared.worker.recent import Recent
from shared.worker.resync import ResyncLoop
from shared.workflow import durations

_FINISHED: Final = frozenset(str(phase) for phase in TERMINAL_EXECUTION_PHASES)
_RECORD_TRIES: Final = 8
_HELD_RETRY_S: Final = 1.0


class Executor:
    """Carries out executions, many at a time."""

    def __init__(self, context: Context, holders: Holders) -> None:
        self._context = context
        self._holders = holders
        self._busy: set[tuple[str, str]] = set()
        self._known = Recent()
        self._tasks: asyncio.TaskGroup | None = None
        self._resync = ResyncLoop(context, KUBERNETES_EXECUTION, self._visit)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._holders.run(on_lost=self.resync_now))
            tasks.create_task(self._resync.run())
            tasks.create_task(
                self._context.bus.consume(consumers.EXECUTOR, _lane_of, self._on_deliveries)
            )

    def resync_now(self) -> None:
        """Look at all unfinished executions soon."""
        self._resync.wake()

    async def _on_deliveries(self, lane: str, deliveries: list[Delivery]) -> Outcome:
        del lane
        bell = read_bell(deliveries[-1])
        if not bell.execution:
            return Park(reason="UnknownExecution", message="the order names none")
        execution = await self._context.executions.fetch(bell.namespace, bell.execution)
        if execution is None or execution.spec.workflow_execution_ref.uid != bell.uid:
            if bell.uid in self._known:
                return Ack(note="execution gone")
            return Park(reason="UnknownExecution", message=f"{bell.namespace}/{bell.execution}")
        self._known.add(bell.uid)
        return await self.carry_out(execution)

    async def _visit(self, items: list[Object]) -> None:
        for item in items:
            if self._tasks is not None and _is_unfinished(item):
                meta = item["metadata"]
                self._tasks.create_task(self._safely(meta["namespace"], meta["name"]))

    async def _safely(self, namespace: str, name: str) -> None:
        log = self._context.log.bind(namespace=namespace, execution=name)
        try:
            execution = await self._context.executions.fetch(namespace, name)
            if execution is not None:
                await self.carry_out(execution)
        except MendflowError as error:
            log.info("will be looked at again", reason=error.reason, error=str(error))
        except Exception:
            log.exception("execution crashed")

    async def carry_out(self, execution: KubernetesExecution) -> Outcome:
        """Carry out one execution to its end, unless it is not ours to carry out."""
        key = (execution.metadata.namespace, execution.metadata.name)
        if key in self._busy:
            return Ack(note="in work here")
        self._busy.add(key)
        spec, meta = execution.spec, execution.metadata
        telling = bound(
            correlation_id=meta.annotations.get(
                CORRELATION_ANNOTATION, str(spec.workflow_execution_ref.uid)
            ),
            workflow=spec.workflow_execution_ref.name,
            namespace=meta.namespace,
            step=spec.step_name,
        )
        try:
            with telling:
                return await self._claim_and_run(execution)
        finally:
            self._busy.discard(key)

    async def _claim_and_run(self, execution: KubernetesExecution) -> Outcome:
        context, ref = self._context, execution.spec.workflow_execution_ref
        # A claim of ours that is not in work here was dropped by an error, or its answer lost.
        gone = execution.is_claimed and self._holders.is_replaceable(execution.status.claimed_by)
        view = await context.workflows.fetch(execution.metadata.namespace, ref.name)
        workflow = view.workflow if view else None
        refusal = claims.refusal(execution, workflow, holder_is_gone=gone)
        if refusal is not None or workflow is None:
            return Ack(note=refusal or "workflow gone")
        try:
            claim = await self._claim(execution)
        except ConflictError:
            return Retry(reason="ClaimConflict", after_s=0.1)
        except NotFoundError:
            return Ack(note="execution gone")
        await context.publisher.execution_fact(claim, Fact.CLAIMED)
        await self._run(claim, workflow)
        return Ack(note="carried out")

    async def _claim(self, execution: KubernetesExecution) -> KubernetesExecution:
        inverse = execution.status.rollback_information or await self._capture(execution)
        status = claims.claimed(
            execution,
            holder=self._holders.identity,
            now=self._context.clock.now(),
            inverse=inverse,
        )
        return await self._context.executions.write_status(execution, status)

    async def _capture(self, execution: KubernetesExecution) -> CapturedInverse | None:
        """Return what undoes the change; None where the effect will find out why it cannot be."""
        parameters = _parameters(execution)
        if isinstance(parameters, NotifyOnly | WaitForCondition) or parameters is None:
            return None
        if execution.spec.intent is not Intent.RUN or execution.spec.rollback_of is not None:
            return None
        address = mutations.address(parameters, execution.metadata.namespace)
        live = await self._context.cluster.read(
            address.kind, address.name, namespace=address.namespace
        )
        if live is None:
            return None
        started = msgspec.structs.replace(
            execution.status, start_time=execution.status.start_time or self._context.clock.now()
        )
        stamp = stamp_of(msgspec.structs.replace(execution, status=started))
        try:
            change = mutations.render(parameters, live, stamp=stamp)
        except RefusedError:
            return None
        return changes.inverse_of(change, live, address)

    async def _run(self, claim: KubernetesExecution, workflow: WorkflowExecution) -> None:
        context = self._context
        log = context.log.bind(action=claim.spec.action, execution=claim.metadata.name)
        try:
            result = await self._act(claim, workflow)
            status = results.completed(claim, result, now=context.clock.now())
        except RefusedError as error:
            status = results.failed(claim, error, now=context.clock.now())
        except FencedError as error:
            log.info("claim lost", reason=error.reason)
            return
        except PermanentError as error:
            refused = RefusedError(_error_type(error), str(error)[:256], reason=error.reason)
            status = results.failed(claim, refused, now=context.clock.now())
        await self._record(claim, status)
        log.info("execution ended", phase=str(status.phase), outcome=status.message)

    async def _act(self, claim: KubernetesExecution, workflow: WorkflowExecution) -> StepResult:
        context, parameters = self._context, _parameters(claim)
        started = claim.status.start_time or context.clock.now()
        effect = Effect(
            context.cluster,
            context.executions,
            claim,
            clock=context.clock,
            deadline=started + durations.parse(claim.spec.timeout),
        )
        match parameters:
            case None:
                raise RefusedError(ErrorType.VALIDATION_ERROR, "the action has no parameters")
            case NotifyOnly():
                context.recorder.normal(workflow, reason="Notification", message=parameters.message)
                told = CustomResult(action_type="notify_only", output=parameters.message)
                return StepResult(success=True, custom_result=told)
            case WaitForCondition():
                return (await effect.wait_for(parameters)).result
            case _:
                return await self._mutate(effect, claim, parameters)

    async def _mutate(
        self, effect: Effect, claim: KubernetesExecution, mutation: Mutation
    ) -> StepResult:
        if claim.spec.intent is Intent.SETTLE:
            if await effect.look(mutation):
                return (await effect.settle(mutation)).result
            raise RefusedError(
                ErrorType.UNKNOWN_ERROR,
                "its execution was deleted, and the change is not on the target",
                reason="Unknown",
            )
        await _patiently(effect, mutation)
        address = mutations.address(mutation, claim.metadata.namespace)
        done = await effect.settle(mutation)
        return msgspec.structs.replace(done.result, resources_affected=[str(address)])

    async def _record(self, claim: KubernetesExecution, status: ExecutionStatus) -> None:
        """Write the result under the claim; a lost answer is read again, never assumed."""
        context, meta = self._context, claim.metadata
        for attempt in range(_RECORD_TRIES):
            try:
                live = await context.executions.fetch(meta.namespace, meta.name)
                if live is None or not claims.holds(live, claim):
                    return
                ended = await context.executions.write_status(live, status)
            except (ConflictError, TransientError):
                await asyncio.sleep(min(5.0, 0.1 * 2**attempt))
                continue
            except NotFoundError:
                return
            await context.publisher.execution_fact(ended, Fact.FINISHED)
            return
        raise TransientError("ResultNotRecorded", f"{meta.name} keeps its claim for now")


async def _patiently(effect: Effect, mutation: Mutation) -> None:
    """Apply, and again while the API server cannot be reached: its deadline bounds it."""
    while True:
        try:
            await effect.apply(mutation)
        except TransientError:
            await asyncio.sleep(_HELD_RETRY_S)
            continue
        return


def _parameters(execution: KubernetesExecution) -> ActionParameters | None:
    action = canonical(execution.spec.action)
    return parameters_of(action, execution.spec.parameters) if action else None


def _error_type(error: PermanentError) -> ErrorType:
    match error.reason:
        case "Forbidden":
            return ErrorType.PERMISSION_DENIED
        case "Invalid":
            return ErrorType.VALIDATION_ERROR
        case "NotFound":
            return ErrorType.RESOURCE_NOT_FOUND
        case _:
            return ErrorType.UNKNOWN_ERROR


def _is_unfinished(item: Object) -> bool:
    return item.get("status", {}).get("phase") not in _FINISHED


def _lane_of(delivery: Delivery) -> str:
    bell = read_bell(delivery)
    return f"{bell.namespace}/{bell.execution}"
