"""The one write to a workload, and the wait until it has settled.

R4: read the target, then read the execution live (the claim still ours), then write with
the target's uid and resourceVersion. A lost answer is Unknown, never a failure: the target
is read again, and our own operation on it means that it was done. The same write says who
holds the target; another workflow's hold is waited out. Where a dry run comes first, it tries
that very write.
"""

from datetime import datetime
from typing import Final

from services.executor.actions import mutations, waiting
from services.executor.actions.mutations import Mutation
from services.executor.capture import Captures, stamp_of
from services.executor.core import changes, claims, locks, operations
from services.executor.core.changes import Address, Done, RefusedError, Verdict
from services.executor.dry_running import DryRun
from services.executor.locking import TargetLocks
from services.executor.settling import Settling
from services.executor.stop import Stop
from shared.api.enums import ErrorType, ExecutionKind
from shared.api.execution import CapturedInverse, KubernetesExecution
from shared.api.meta import LAST_OPERATIONS_ANNOTATION, LOCKED_BY_ANNOTATION
from shared.api.parameters import WaitForCondition
from shared.clock import Clock
from shared.errors import ConflictError, FencedError, NotFoundError, TransientError
from shared.ids import Uid
from shared.kube.port import Object, TargetCluster
from shared.kube.store import ExecutionStore
from shared.workflow.names import operation_id

_RETRY_S: Final = 0.2
_BEFORE: Final = "cancelled before the change"
_AFTER: Final = "cancelled while waiting; the change was made"
_UNTOUCHED: Final = "cancelled while waiting; nothing was to be changed"


class Effect:
    """Makes the change of one claimed execution."""

    def __init__(
        self,
        cluster: TargetCluster,
        executions: ExecutionStore,
        claim: KubernetesExecution,
        *,
        clock: Clock,
        deadline: datetime,
        stop: Stop,
    ) -> None:
        self._cluster = cluster
        self._executions = executions
        self._captures = Captures(cluster, executions, clock=clock)
        self._locks = TargetLocks(cluster, executions)
        self._settling = Settling(cluster, clock=clock, deadline=deadline, stop=stop)
        self._clock = clock
        self._deadline = deadline
        self._stop = stop
        self._unanswered = ""
        """Version of the target on which a write may still be on its way."""
        self.dry_run = DryRun(cluster)
        self.claim = claim
        """The claim, with what undoes the change as it was captured last."""

    async def apply(self, mutation: Mutation) -> None:
        """Make the change unless it was made already, or is not to be made.

        Raises:
            RefusedError: when it cannot or must not be made, or the step was cancelled.
            FencedError: when the claim is gone, or the step was settled without it.
        """
        address = mutations.address(mutation, self.claim.metadata.namespace)
        last = f"{address} to take the change"
        while self._clock.now() < self._deadline:
            live = await self._read(address)
            if operations.is_stamped(live, self._operation_id):
                self.dry_run.was_before(self.claim, address)
                return
            self._refuse_settled(address, live)
            in_the_air = live["metadata"]["resourceVersion"] == self._unanswered
            if self._stop.asked and not in_the_air:
                raise changes.cancelled(_BEFORE)
            holder = await self._locks.holder(live, self.claim)
            if holder is not None:
                last = f"the target: {locks.explain(address, holder)}"
                await self._wait_for(holder, mutation)
                continue
            if await self._is_made(address, mutation, live):
                return
            await self._stop.pause(_RETRY_S)
        raise changes.too_late(last)

    async def settle(self, mutation: Mutation) -> Done:
        """Wait until the target has settled.

        Raises:
            RefusedError: when it will not settle, or not in time, or the step was cancelled.
        """
        address = mutations.address(mutation, self.claim.metadata.namespace)
        captured = self.claim.status.rollback_information

        def judge(live: Object | None) -> Verdict:
            if live is None:
                raise _missing(address)
            return mutations.judge(mutation, live, captured)

        stopped = _UNTOUCHED if changes.is_satisfied(self.claim) else _AFTER
        return await self._settling.wait(address, judge, if_stopped=stopped)

    async def wait_for(self, parameters: WaitForCondition) -> Done:
        """Wait for a condition of an object. Raises RefusedError."""
        address = waiting.address(parameters, self.claim.metadata.namespace)
        return await self._settling.wait(
            address, lambda live: waiting.judge(parameters, live), if_stopped=_UNTOUCHED
        )

    async def look(self, mutation: Mutation) -> bool:
        """Return whether a deleted execution's effect is on the target; fence it if not.

        The fence is an annotation-only write: it moves the target's version, so that a late
        request of the lost holder meets a conflict (R3, settle).
        """
        address = mutations.address(mutation, self.claim.metadata.namespace)
        lost = self._operation_of(ExecutionKind.FORWARD)
        while self._clock.now() < self._deadline:
            live = await self._cluster.read(address.kind, address.name, namespace=address.namespace)
            if live is None:
                return False
            # It may go beside another workflow's change: it must, to fence, and sets nothing.
            locks_too = await self._locks.holder(live, self.claim) is None
            await self._confirm_claim()
            try:
                await self._write(address, self._stamped(live, {}, locks_too=locks_too))
            except (ConflictError, TransientError):
                await self._stop.pause(_RETRY_S)
                continue
            return operations.is_stamped(live, lost)
        return False

    @property
    def _operation_id(self) -> str:
        return self._operation_of(self.claim.spec.kind)

    def _operation_of(self, kind: ExecutionKind) -> str:
        spec = self.claim.spec
        uid = Uid(spec.workflow_execution_ref.uid)
        return operation_id(uid, spec.step_name, spec.attempt, kind)

    async def _wait_for(self, holder: KubernetesExecution, mutation: Mutation) -> None:
        """Wait for another workflow; what undoes our change is then captured anew."""
        left = (self._deadline - self._clock.now()).total_seconds()
        try:
            async with self._stop.waiting(max(0.0, left)):
                await self._locks.until_ended(holder)
        except TimeoutError:
            return
        if self.claim.status.rollback_information is not None:
            self.claim = await self._captures.again(self.claim, mutation)

    def _refuse_settled(self, address: Address, live: Object) -> None:
        """Stop before a change that a person deleted, once it was found not to be there."""
        settled = operations.is_stamped(live, self._operation_of(ExecutionKind.SETTLE))
        if settled and self.claim.spec.kind is ExecutionKind.FORWARD:
            raise FencedError("StepSettled", f"{address} was settled without this change")

    def _judge(self, mutation: Mutation, live: Object) -> bool:
        """Return whether only the stamp is to be written. Raises RefusedError."""
        observed = mutations.observe(mutation, live)
        undo = self.claim.spec.rollback_of
        if undo is not None:
            match changes.judge_undo(undo, observed, live["metadata"]["uid"]):
                case changes.Drifted(message=message):
                    raise RefusedError(
                        ErrorType.RESOURCE_CONFLICT, message, reason=changes.DRIFT_REASON
                    )
                case changes.AlreadyUndone():
                    return True
                case changes.Restore():
                    return False
        captured = self.claim.status.rollback_information
        if captured is not None:
            _refuse_foreign_change(self.claim, captured, observed, live)
        return False

    async def _is_made(self, address: Address, mutation: Mutation, live: Object) -> bool:
        """Make the change, and return whether it is known to be done, or not needed.

        Raises:
            RefusedError: when it cannot or must not be made.
            PermanentError: when the API server refuses it, or would.
        """
        stamp_only = self._judge(mutation, live)
        if changes.is_satisfied(self.claim):
            return True
        patch: Object = {}
        if not stamp_only:
            patch = mutations.render(mutation, live, stamp=stamp_of(self.claim)).patch
        body = self._stamped(live, patch, locks_too=True)
        if not await self.dry_run.passes(self.claim, address, body):
            return False
        await self._confirm_claim()
        return await self._is_written(address, body)

    async def _is_written(self, address: Address, body: Object) -> bool:
        """Write, and return whether it is known to be done. Raises RefusedError."""
        try:
            await self._write(address, body)
        except ConflictError:
            return False
        except TransientError:
            self._unanswered = body["metadata"]["resourceVersion"]
            return False
        except NotFoundError as error:
            raise _missing(address) from error
        return True

    async def _write(self, address: Address, body: Object) -> None:
        await self._cluster.patch(address.kind, address.name, body, namespace=address.namespace)

    def _stamped(self, live: Object, patch: Object, *, locks_too: bool) -> Object:
        """Return a patch of the object as it was read, with our operation on it."""
        claim, meta = self.claim, live["metadata"]
        operation = operations.Operation(
            id=self._operation_id, fence=claim.spec.fence, claim_fence=claim.status.claim_fence
        )
        annotations = {LAST_OPERATIONS_ANNOTATION: operations.stamped(live, operation)}
        if locks_too:
            annotations[LOCKED_BY_ANNOTATION] = locks.held(live, claim)
        return patch | {
            "metadata": {
                "uid": meta["uid"],
                "resourceVersion": meta["resourceVersion"],
                "annotations": annotations,
            }
        }

    async def _read(self, address: Address) -> Object:
        live = await self._cluster.read(address.kind, address.name, namespace=address.namespace)
        if live is None:
            raise _missing(address)
        return live

    async def _confirm_claim(self) -> None:
        meta = self.claim.metadata
        live = await self._executions.fetch(meta.namespace, meta.name)
        if not claims.holds(live, self.claim):
            raise FencedError("ClaimLost", f"{meta.name} is no longer ours")


def _refuse_foreign_change(
    claim: KubernetesExecution, captured: CapturedInverse, observed: dict[str, str], live: Object
) -> None:
    """Stop when somebody changed the same field between the capture and the write."""
    if captured.target is not None and captured.target.uid != live["metadata"]["uid"]:
        message = f"{captured.target.kind} {captured.target.name} was replaced by another"
        raise RefusedError(ErrorType.RESOURCE_CONFLICT, message, reason="ConcurrentChange")
    done_by_earlier_attempt = claim.spec.attempt > 1 and observed == captured.after
    if observed != captured.before and not done_by_earlier_attempt:
        changed = [path for path in sorted(observed) if captured.before.get(path) != observed[path]]
        message = f"somebody changed {', '.join(changed)} at the same time"
        raise RefusedError(ErrorType.RESOURCE_CONFLICT, message, reason="ConcurrentChange")


def _missing(address: Address) -> RefusedError:
    return RefusedError(ErrorType.RESOURCE_NOT_FOUND, f"{address} does not exist")
