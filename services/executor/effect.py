"""The one write to a workload, and the wait until it has settled.

R4: read the target, then read the execution live (the claim still ours), then write with
the target's uid and resourceVersion. A lost answer is Unknown, never a failure: the target
is read again, and our own operation on it means that it was done.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

from services.executor.actions import mutations, waiting
from services.executor.actions.mutations import Mutation
from services.executor.core import changes, claims, operations
from services.executor.core.changes import Address, Broken, Done, RefusedError, Verdict
from shared.api.enums import ErrorType, ExecutionKind
from shared.api.execution import CapturedInverse, KubernetesExecution
from shared.api.meta import LAST_OPERATIONS_ANNOTATION
from shared.api.parameters import WaitForCondition
from shared.clock import Clock
from shared.errors import ConflictError, FencedError, NotFoundError, TransientError
from shared.ids import Uid
from shared.kube.port import Cluster, Object
from shared.kube.store import ExecutionStore
from shared.workflow.names import operation_id

Judge = Callable[[Object | None], Verdict]

_RETRY_S = 0.2
_LOOK_S = 5.0


class Effect:
    """Makes the change of one claimed execution."""

    def __init__(
        self,
        cluster: Cluster,
        executions: ExecutionStore,
        claim: KubernetesExecution,
        *,
        clock: Clock,
        deadline: datetime,
    ) -> None:
        self._cluster = cluster
        self._executions = executions
        self._claim = claim
        self._clock = clock
        self._deadline = deadline

    async def apply(self, mutation: Mutation) -> str:
        """Make the change unless it was made already; return a note for people.

        Raises:
            RefusedError: when it cannot or must not be made.
            FencedError: when the claim is gone.
        """
        address = mutations.address(mutation, self._claim.metadata.namespace)
        while self._clock.now() < self._deadline:
            live = await self._read(address)
            if operations.is_stamped(live, self._operation_id):
                return "done before"
            note = self._judge(mutation, live)
            await self._confirm_claim()
            try:
                await self._write(address, mutation, live, stamp_only=note != "")
            except (ConflictError, TransientError):
                await asyncio.sleep(_RETRY_S)
                continue
            except NotFoundError as error:
                raise _missing(address) from error
            return note
        raise RefusedError(ErrorType.TIMEOUT, f"{address} could not be changed in time")

    async def settle(self, mutation: Mutation) -> Done:
        """Wait until the target has settled.

        Raises:
            RefusedError: when it will not settle, or not in time.
        """
        address = mutations.address(mutation, self._claim.metadata.namespace)
        captured = self._claim.status.rollback_information

        def judge(live: Object | None) -> Verdict:
            if live is None:
                raise _missing(address)
            return mutations.judge(mutation, live, captured)

        return await self._wait(address, judge)

    async def wait_for(self, parameters: WaitForCondition) -> Done:
        """Wait for a condition of an object. Raises RefusedError."""
        address = waiting.address(parameters, self._claim.metadata.namespace)
        return await self._wait(address, lambda live: waiting.judge(parameters, live))

    async def look(self, mutation: Mutation) -> bool:
        """Return whether a deleted execution's effect is on the target; fence it if not.

        The fence is an annotation-only write: it moves the target's version, so that a late
        request of the lost holder meets a conflict (R3, settle).
        """
        address = mutations.address(mutation, self._claim.metadata.namespace)
        spec = self._claim.spec
        uid = Uid(spec.workflow_execution_ref.uid)
        lost = operation_id(uid, spec.step_name, spec.attempt, ExecutionKind.FORWARD)
        while self._clock.now() < self._deadline:
            live = await self._cluster.read(address.kind, address.name, namespace=address.namespace)
            if live is None:
                return False
            await self._confirm_claim()
            try:
                await self._write(address, mutation, live, stamp_only=True)
            except (ConflictError, TransientError):
                await asyncio.sleep(_RETRY_S)
                continue
            return operations.is_stamped(live, lost)
        return False

    @property
    def _operation_id(self) -> str:
        spec = self._claim.spec
        uid = Uid(spec.workflow_execution_ref.uid)
        return operation_id(uid, spec.step_name, spec.attempt, spec.kind)

    def _judge(self, mutation: Mutation, live: Object) -> str:
        """Return why only the stamp is to be written, or nothing. Raises RefusedError."""
        observed = mutations.observe(mutation, live)
        undo = self._claim.spec.rollback_of
        if undo is not None:
            match changes.judge_undo(undo, observed, live["metadata"]["uid"]):
                case changes.Drifted(message=message):
                    raise RefusedError(
                        ErrorType.RESOURCE_CONFLICT, message, reason=changes.DRIFT_REASON
                    )
                case changes.AlreadyUndone():
                    return "undone before"
                case changes.Restore():
                    return ""
        captured = self._claim.status.rollback_information
        if captured is not None:
            _refuse_foreign_change(captured, observed, live)
        return ""

    async def _write(
        self, address: Address, mutation: Mutation, live: Object, *, stamp_only: bool
    ) -> None:
        claim, meta = self._claim, live["metadata"]
        operation = operations.Operation(
            id=self._operation_id, fence=claim.spec.fence, claim_fence=claim.status.claim_fence
        )
        stamp = operations.stamped(live, operation)
        body: Object = {} if stamp_only else dict(self._render(mutation, live).patch)
        body["metadata"] = {
            "uid": meta["uid"],
            "resourceVersion": meta["resourceVersion"],
            "annotations": {LAST_OPERATIONS_ANNOTATION: stamp},
        }
        await self._cluster.patch(address.kind, address.name, body, namespace=address.namespace)

    def _render(self, mutation: Mutation, live: Object) -> changes.Change:
        return mutations.render(mutation, live, stamp=stamp_of(self._claim))

    async def _read(self, address: Address) -> Object:
        live = await self._cluster.read(address.kind, address.name, namespace=address.namespace)
        if live is None:
            raise _missing(address)
        return live

    async def _confirm_claim(self) -> None:
        meta = self._claim.metadata
        live = await self._executions.fetch(meta.namespace, meta.name)
        if not claims.holds(live, self._claim):
            raise FencedError("ClaimLost", f"{meta.name} is no longer ours")

    async def _wait(self, address: Address, judge: Judge) -> Done:
        progress = "nothing was seen"
        while self._clock.now() < self._deadline:
            live = await self._cluster.read(address.kind, address.name, namespace=address.namespace)
            match judge(live):
                case Done() as done:
                    return done
                case Broken(error=error, message=message):
                    raise RefusedError(error, message)
                case changes.NotYet(message=message):
                    progress = message
            await self._until_changed(address, live, judge)
        raise RefusedError(
            ErrorType.TIMEOUT, f"{address} did not settle in time: {progress}", reason="Timeout"
        )

    async def _until_changed(self, address: Address, live: Object | None, judge: Judge) -> None:
        """Return when the object looks settled, or after a while, or when the watch ends."""
        left = (self._deadline - self._clock.now()).total_seconds()
        version = live["metadata"]["resourceVersion"] if live else ""
        if not version:
            await asyncio.sleep(min(1.0, max(0.0, left)))
            return
        try:
            async with asyncio.timeout(max(0.05, min(left, _LOOK_S))):
                async for change in self._cluster.watch(
                    address.kind,
                    namespace=address.namespace,
                    name=address.name,
                    resource_version=version,
                ):
                    if change.type == "BOOKMARK":
                        continue
                    gone = change.type == "DELETED"
                    if gone or not isinstance(judge(change.object), changes.NotYet):
                        return
        except (TimeoutError, TransientError):
            await asyncio.sleep(_RETRY_S)


def stamp_of(execution: KubernetesExecution) -> str:
    """Return the same time stamp for every try of one execution."""
    started = execution.status.start_time
    return started.isoformat().replace("+00:00", "Z") if started else ""


def _refuse_foreign_change(
    captured: CapturedInverse, observed: dict[str, str], live: Object
) -> None:
    """Stop when somebody changed the same field between the capture and the write."""
    if captured.target is not None and captured.target.uid != live["metadata"]["uid"]:
        message = f"{captured.target.kind} {captured.target.name} was replaced by another"
        raise RefusedError(ErrorType.RESOURCE_CONFLICT, message, reason="ConcurrentChange")
    if observed != captured.before:
        changed = [path for path in sorted(observed) if captured.before.get(path) != observed[path]]
        message = f"somebody changed {', '.join(changed)} at the same time"
        raise RefusedError(ErrorType.RESOURCE_CONFLICT, message, reason="ConcurrentChange")


def _missing(address: Address) -> RefusedError:
    return RefusedError(ErrorType.RESOURCE_NOT_FOUND, f"{address} does not exist")
