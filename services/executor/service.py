"""The executor's shell: claim, act, wait, record.

The result is written under the claim (R5). Whoever finds a claim whose holder is gone goes on
from what the target shows. An execution whose target another workflow holds is looked at again
when that one has ended.
"""

import asyncio
from typing import Final

from services.executor.carrying_out import CarryingOut
from services.executor.claiming import Claiming, Held
from services.executor.core import claims, results
from services.executor.holders import Holders
from shared.api.enums import TERMINAL_EXECUTION_PHASES
from shared.api.execution import ExecutionStatus, KubernetesExecution
from shared.api.groups import KUBERNETES_EXECUTION
from shared.api.meta import CORRELATION_ANNOTATION
from shared.api.workflow import WorkflowExecution
from shared.bus.port import Delivery
from shared.contracts import consumers
from shared.contracts.subjects import Fact
from shared.errors import (
    ConflictError,
    FencedError,
    MendflowError,
    NotFoundError,
    TransientError,
)
from shared.kube.port import Object
from shared.outcome import Ack, Outcome, Park, Retry
from shared.telemetry.logging import bound
from shared.worker.context import Context
from shared.worker.keys import read_bell
from shared.worker.recent import Recent
from shared.worker.resync import ResyncLoop

_FINISHED: Final = frozenset(str(phase) for phase in TERMINAL_EXECUTION_PHASES)
_RECORD_TRIES: Final = 8


class Executor:
    """Carries out executions, many at a time."""

    def __init__(self, context: Context, holders: Holders) -> None:
        self._context = context
        self._holders = holders
        self._claiming = Claiming(context, identity=holders.identity)
        self._busy: dict[tuple[str, str], asyncio.Event] = {}
        """What is in work here, and how to make it look at its workflow again."""
        self._waiting: set[tuple[str, str]] = set()
        """What waits here for another workflow to end with its target."""
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
                outcome = await self.carry_out(execution)
                if isinstance(outcome, Retry):
                    self.resync_now()
        except MendflowError as error:
            log.info("will be looked at again", reason=error.reason, error=str(error))
        except Exception:
            log.exception("execution crashed")

    async def carry_out(self, execution: KubernetesExecution) -> Outcome:
        """Carry out one execution to its end, unless it is not ours to carry out."""
        key = (execution.metadata.namespace, execution.metadata.name)
        in_work = self._busy.get(key)
        if in_work is not None:
            in_work.set()
            return Ack(note="in work here")
        look_again = self._busy[key] = asyncio.Event()
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
                return await self._claim_and_run(execution, look_again)
        finally:
            self._busy.pop(key)

    async def _claim_and_run(
        self, execution: KubernetesExecution, look_again: asyncio.Event
    ) -> Outcome:
        context, ref = self._context, execution.spec.workflow_execution_ref
        # A claim of ours that is not in work here was dropped by an error, or its answer lost.
        gone = execution.is_claimed and self._holders.is_replaceable(execution.status.claimed_by)
        view = await context.workflows.fetch(execution.metadata.namespace, ref.name)
        workflow = view.workflow if view else None
        refusal = claims.refusal(execution, workflow, holder_is_gone=gone)
        if refusal is not None or workflow is None:
            if refusal == claims.FOREIGN and workflow is not None:
                self._say_foreign(execution, workflow)
            if gone and refusal in {claims.UNGRANTED, claims.ORPHANED}:
                await self._end_left_behind(execution)
            return Ack(note=refusal or "workflow gone")
        try:
            claim = await self._claiming.claim(execution)
        except (ConflictError, FencedError):
            return Retry(reason="ClaimConflict", after_s=0.1)
        except NotFoundError:
            return Ack(note="execution gone")
        if isinstance(claim, Held):
            self._look_when_free(execution, claim)
            return Ack(note="its target is held by another workflow")
        await self._run(CarryingOut(context, claim, workflow), claim, look_again)
        return Ack(note="carried out")

    def _say_foreign(self, execution: KubernetesExecution, workflow: WorkflowExecution) -> None:
        name = execution.metadata.name
        self._context.log.warning("execution ignored: not made for its workflow", execution=name)
        self._context.recorder.warning(
            workflow,
            reason="OwnerReferenceFailed",
            message=f"KubernetesExecution {name} was not made for this workflow; it is ignored",
        )

    async def _end_left_behind(self, execution: KubernetesExecution) -> None:
        """End what nobody may go on with any more: as long as it runs it holds its target."""
        context, holder = self._context, execution.status.claimed_by
        status = results.left_behind(execution, holder=holder, now=context.clock.now())
        try:
            ended = await context.executions.write_status(execution, status)
        except (ConflictError, NotFoundError):
            return
        context.log.info("claim given up", execution=execution.metadata.name, holder=holder)
        await context.publisher.execution_fact(ended, Fact.FINISHED)

    def _look_when_free(self, execution: KubernetesExecution, held: Held) -> None:
        """See to it that one task waits for the holder; the walk is the net below it."""
        key = (execution.metadata.namespace, execution.metadata.name)
        if key not in self._waiting and self._tasks is not None:
            self._waiting.add(key)
            self._tasks.create_task(self._wait_and_look(key, held))

    async def _wait_and_look(self, key: tuple[str, str], held: Held) -> None:
        try:
            await self._claiming.until_free(held)
        except MendflowError as error:
            self._context.log.info("holder not seen", execution=key[1], reason=error.reason)
            return
        finally:
            self._waiting.discard(key)
        await self._safely(*key)

    async def _run(
        self, work: CarryingOut, claim: KubernetesExecution, look_again: asyncio.Event
    ) -> None:
        log = self._context.log.bind(action=claim.spec.action, execution=claim.metadata.name)
        watching = None
        if self._tasks is not None and work.can_be_cancelled:
            watching = self._tasks.create_task(work.stop_when_cancelled(look_again))
        try:
            status = await work.run()
        except FencedError as error:
            log.info("claim lost", reason=error.reason)
            return
        finally:
            if watching is not None:
                watching.cancel()
        await self._record(claim, status)
        log.info("execution ended", phase=str(status.phase), outcome=status.message)

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


def _is_unfinished(item: Object) -> bool:
    return item.get("status", {}).get("phase") not in _FINISHED


def _lane_of(delivery: Delivery) -> str:
    bell = read_bell(delivery)
    return f"{bell.namespace}/{bell.execution}"
