"""The one write to a target, and the wait until it has settled.

R4: read the target, then read the execution live (the claim still ours), then write with
the target's uid and resourceVersion. A lost answer is Unknown, never a failure: the target
is read again, and our own operation on it means that it was done. The same write says who
holds the target; another workflow's hold is waited out. Where a dry run comes first, it tries
that very write.
"""

from datetime import datetime
from typing import Final

import msgspec

from services.executor.capture import (
    Captures,
    is_captured_undo,
    manifest_for,
    missing,
)
from services.executor.core import changes, locks, operations, paths
from services.executor.core.captures import Mutation
from services.executor.core.changes import Done, RefusedError, State, Verdict
from services.executor.dry_running import DryRun
from services.executor.held import HeldClaim
from services.executor.keeping import KeptStates
from services.executor.ledger import LedgerCluster
from services.executor.locking import TargetLocks
from services.executor.settling import Settling
from services.executor.stop import Stop
from shared.api.enums import ErrorType, ExecutionKind
from shared.api.execution import CapturedInverse, KubernetesExecution
from shared.api.meta import LAST_OPERATIONS_ANNOTATION, LOCKED_BY_ANNOTATION
from shared.api.parameters import ApplyManifest
from shared.clock import Clock
from shared.errors import (
    AlreadyExistsError,
    ConflictError,
    FencedError,
    NotFoundError,
    TransientError,
)
from shared.ids import Uid
from shared.kube.port import Object
from shared.kube.store import ExecutionStore
from shared.limits import GitOps
from shared.workflow.names import operation_id

_RETRY_S: Final = 0.2
_BEFORE: Final = "cancelled before the change"
_AFTER: Final = "cancelled while waiting; the change was made"
_UNTOUCHED: Final = "cancelled while waiting; nothing was to be changed"


class Effect:
    """Makes the change of one claimed execution on one object."""

    def __init__(
        self,
        cluster: LedgerCluster,
        executions: ExecutionStore,
        claim: HeldClaim,
        mutation: Mutation,
        *,
        clock: Clock,
        deadline: datetime,
        stop: Stop,
        gitops: GitOps,
    ) -> None:
        self._cluster = cluster
        self._claim = claim
        self._mutation = mutation
        self._address = mutation.address
        self._captures = Captures(cluster, executions, clock=clock, gitops=gitops)
        self._kept = KeptStates(cluster)
        self._locks = TargetLocks(cluster, executions)
        self._settling = Settling(cluster, clock=clock, deadline=deadline, stop=stop)
        self._clock = clock
        self._deadline = deadline
        self._stop = stop
        self._unanswered = ""
        """Version of the target on which a write may still be on its way."""
        self._state: State | None = None
        """The fields to change, once they are known."""
        self.dry_run = DryRun(cluster)

    @property
    def claim(self) -> KubernetesExecution:
        """Return the claim as it stands, with what undoes the change as captured last."""
        return self._claim.now

    async def apply(self) -> None:
        """Make the change unless it was made already, or is not to be made.

        Raises:
            RefusedError: when it cannot or must not be made, or the step was cancelled.
            FencedError: when the claim is gone, or the step was settled without it.
            PermanentError: when the API server refuses it.
        """
        last = f"{self._address} to take the change"
        while self._clock.now() < self._deadline:
            live = await self._read()
            if live is None:
                if await self._is_made_absent():
                    return
                continue
            if self._is_done(live):
                return
            in_the_air = live["metadata"]["resourceVersion"] == self._unanswered
            if self._stop.asked and not in_the_air:
                raise changes.cancelled(_BEFORE)
            holder = await self._locks.holder(live, self.claim)
            if holder is not None:
                last = f"the target: {locks.explain(self._address, holder)}"
                await self._wait_for(holder)
                continue
            if await self._is_made(live):
                return
            await self._stop.pause(_RETRY_S)
        raise changes.too_late(last)

    async def settle(self) -> Done:
        """Wait until the target has settled.

        Raises:
            RefusedError: when it will not settle, or not in time, or the step was cancelled.
        """
        captured = self.claim.status.rollback_information
        goes = is_captured_undo(self.claim) and self._undo_deletes

        def judge(live: Object | None) -> Verdict:
            if goes:
                return self._judge_gone(live)
            if live is None:
                raise missing(self._mutation)
            return self._mutation.handler.judge(self._mutation.parameters, live, captured)

        stopped = _UNTOUCHED if changes.is_satisfied(self.claim) else _AFTER
        return await self._settling.wait(self._address, judge, if_stopped=stopped)

    async def look(self) -> bool:
        """Return whether a deleted execution's effect is on the target; fence it if not.

        The fence is an annotation-only write: it moves the target's version, so that a late
        request of the lost holder meets a conflict (R3, settle).
        """
        lost = self._operation_of(ExecutionKind.FORWARD)
        while self._clock.now() < self._deadline:
            live = await self._read()
            if live is None:
                return False
            if self._is_ours(live):
                return operations.is_stamped(live, lost)
            # It may go beside another workflow's change: it must, to fence, and sets nothing.
            locks_too = await self._locks.holder(live, self.claim) is None
            await self._claim.confirm()
            try:
                await self._patch(self._stamped(live, {}, locks_too=locks_too))
            except (ConflictError, TransientError):
                await self._stop.pause(_RETRY_S)
                continue
            return operations.is_stamped(live, lost)
        return False

    @property
    def _undo_deletes(self) -> bool:
        undo = self.claim.spec.rollback_of
        return undo is not None and undo.absent_before

    @property
    def _operation_id(self) -> str:
        return self._operation_of(self.claim.spec.kind)

    def _operation_of(self, kind: ExecutionKind) -> str:
        spec = self.claim.spec
        uid = Uid(spec.workflow_execution_ref.uid)
        return operation_id(uid, spec.step_name, spec.attempt, kind)

    def _is_done(self, live: Object) -> bool:
        """Return whether our change is on the target. Raises FencedError."""
        if self._is_ours(live):
            self.dry_run.was_before(self.claim, self._address)
            self._know_target(live)
            return True
        self._cluster.refute(
            self._address.kind, self._address.name, version=live["metadata"]["resourceVersion"]
        )
        settled = operations.is_stamped(live, self._operation_of(ExecutionKind.SETTLE))
        if settled and self.claim.spec.kind is ExecutionKind.FORWARD:
            raise FencedError("StepSettled", f"{self._address} was settled without this change")
        return False

    def _is_ours(self, live: Object) -> bool:
        """Return whether our stamp is on the target, and take note of the write that left it."""
        done = operations.find(live, self._operation_id)
        if done is None:
            return False
        self._cluster.saw(self._address.kind, live, before=done.version)
        return True

    def _know_target(self, live: Object) -> None:
        """Take note of which object a manifest made: its undo deletes that one only."""
        captured = self.claim.status.rollback_information
        if captured is None or captured.target is None or captured.target.uid:
            return
        target = msgspec.structs.replace(captured.target, uid=live["metadata"]["uid"])
        self._claim.note(inverse=msgspec.structs.replace(captured, target=target))

    async def _wait_for(self, holder: KubernetesExecution) -> None:
        """Wait for another workflow; what undoes our change is then captured anew."""
        left = (self._deadline - self._clock.now()).total_seconds()
        try:
            async with self._stop.waiting(max(0.0, left)):
                await self._locks.until_ended(holder)
        except TimeoutError:
            return
        if self.claim.status.rollback_information is not None:
            await self._capture_anew()

    async def _capture_anew(self) -> None:
        while self._clock.now() < self._deadline:
            try:
                await self._capture(await self._read())
            except ConflictError:
                await self._stop.pause(_RETRY_S)
                continue
            return

    async def _capture(self, live: Object | None) -> None:
        """Capture what undoes the change, and write it down before it is made (R2).

        Raises ConflictError when the target changed while it was tried.
        """
        inverse = await self._captures.inverse(self.claim, self._mutation, live)
        self._claim.note(inverse=inverse)
        await self._claim.keep()
        self._state = None

    async def _known_state(self, live: Object | None) -> State:
        """Return the fields to change. Raises RefusedError, PermanentError."""
        undo = self.claim.spec.rollback_of
        if undo is None or not is_captured_undo(self.claim):
            if self.claim.status.rollback_information is None:
                await self._capture(live)
            undo = None
        captured = undo or self.claim.status.rollback_information
        if captured is None:
            raise missing(self._mutation)
        if self._state is None:
            namespace = self.claim.metadata.namespace
            self._state = await self._kept.state(captured, namespace=namespace)
        return self._state

    async def _is_made_absent(self) -> bool:
        """Make the object where there is none, and return whether that is known to be done."""
        if is_captured_undo(self.claim):
            if self._undo_deletes:
                return True
            raise missing(self._mutation)
        state = await self._known_state(None)
        parameters = self._mutation.parameters
        if not state.absent_before or not isinstance(parameters, ApplyManifest):
            raise missing(self._mutation)
        if self._stop.asked:
            raise changes.cancelled(_BEFORE)
        body = manifest_for(self._mutation, parameters)
        meta = body["metadata"]
        notes = (meta.get("annotations") or {}) | self._annotations({"metadata": meta})
        body["metadata"] = meta | {"annotations": notes}
        await self._claim.confirm()
        try:
            made = await self._cluster.create(
                self._address.kind, body, namespace=self._address.namespace
            )
        except (AlreadyExistsError, TransientError):
            await self._stop.pause(_RETRY_S)
            return False
        self._know_target(made)
        return True

    def _judge(self, live: Object, state: State) -> bool:
        """Return whether only the stamp is to be written. Raises RefusedError."""
        observed = paths.observed(live, state.after)
        undo = self.claim.spec.rollback_of
        if undo is not None and is_captured_undo(self.claim):
            match changes.judge_undo(undo, state, observed, live["metadata"]["uid"]):
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
            _refuse_foreign_change(self.claim, captured, state, observed, live)
        return False

    async def _is_made(self, live: Object) -> bool:
        """Make the change, and return whether it is known to be done, or not needed.

        Raises:
            RefusedError: when it cannot or must not be made.
            PermanentError: when the API server refuses it, or would.
        """
        try:
            state = await self._known_state(live)
        except ConflictError:
            return False
        stamp_only = self._judge(live, state)
        if changes.is_satisfied(self.claim):
            return True
        if is_captured_undo(self.claim):
            if self._undo_deletes:
                return await self._is_deleted(live)
            wanted = state.before
        else:
            wanted = state.after
        patch = {} if stamp_only else paths.patch(live, paths.replaced(live, wanted))
        body = self._stamped(live, patch, locks_too=True)
        if not await self.dry_run.passes(self.claim, self._address, body):
            return False
        await self._claim.confirm()
        return await self._is_written(live, body)

    async def _is_written(self, live: Object, body: Object) -> bool:
        """Write, and return whether it is known to be done. Raises RefusedError."""
        try:
            if isinstance(self._mutation.parameters, ApplyManifest) and not is_captured_undo(
                self.claim
            ):
                await self._apply_manifest(live, self._mutation.parameters)
            else:
                await self._patch(body)
        except ConflictError:
            return False
        except TransientError:
            self._unanswered = body["metadata"]["resourceVersion"]
            return False
        except NotFoundError as error:
            raise missing(self._mutation) from error
        return True

    async def _is_deleted(self, live: Object) -> bool:
        meta = live["metadata"]
        await self._claim.confirm()
        try:
            await self._cluster.delete(
                self._address.kind,
                self._address.name,
                uid=meta["uid"],
                namespace=self._address.namespace,
                resource_version=meta["resourceVersion"],
            )
        except TransientError:
            return False
        except NotFoundError:
            return True
        return True

    def _judge_gone(self, live: Object | None) -> Verdict:
        undo = self.claim.spec.rollback_of
        uid = undo.target.uid if undo is not None and undo.target is not None else ""
        if live is not None and live["metadata"]["uid"] == uid:
            return changes.NotYet(message=f"{self._address} is still there")
        return changes.Done(result=changes.removed(self._address))

    async def _apply_manifest(self, live: Object, parameters: ApplyManifest) -> None:
        body = manifest_for(self._mutation, parameters)
        meta = body["metadata"]
        body["metadata"] = meta | {
            "uid": live["metadata"]["uid"],
            "resourceVersion": live["metadata"]["resourceVersion"],
            "annotations": (meta.get("annotations") or {}) | self._annotations(live),
        }
        await self._cluster.apply(
            self._address.kind,
            self._address.name,
            body,
            namespace=self._address.namespace,
            force=parameters.force_conflicts,
        )

    async def _patch(self, body: Object) -> None:
        await self._cluster.patch(
            self._address.kind, self._address.name, body, namespace=self._address.namespace
        )

    def _stamped(self, live: Object, patch: Object, *, locks_too: bool) -> Object:
        """Return a patch of the object as it was read, with our operation on it."""
        meta, given = live["metadata"], patch.get("metadata") or {}
        stamps = self._annotations(live)
        if not locks_too:
            del stamps[LOCKED_BY_ANNOTATION]
        return patch | {
            "metadata": given
            | {
                "uid": meta["uid"],
                "resourceVersion": meta["resourceVersion"],
                "annotations": (given.get("annotations") or {}) | stamps,
            }
        }

    def _annotations(self, live: Object) -> dict[str, str]:
        """Return who did what to an object, as it stands on it."""
        claim = self.claim
        operation = operations.Operation(
            id=self._operation_id,
            fence=claim.spec.fence,
            claim_fence=claim.status.claim_fence,
            version=live["metadata"].get("resourceVersion", ""),
        )
        return {
            LAST_OPERATIONS_ANNOTATION: operations.stamped(live, operation),
            LOCKED_BY_ANNOTATION: locks.held(live, claim),
        }

    async def _read(self) -> Object | None:
        return await self._cluster.read(
            self._address.kind, self._address.name, namespace=self._address.namespace
        )


def _refuse_foreign_change(
    claim: KubernetesExecution,
    captured: CapturedInverse,
    state: State,
    observed: dict[str, str],
    live: Object,
) -> None:
    """Stop when somebody changed the same field between the capture and the write."""
    if state.absent_before or (
        captured.target is not None and captured.target.uid != live["metadata"]["uid"]
    ):
        kind, name = live.get("kind", ""), live["metadata"]["name"]
        how = "was made by somebody else" if state.absent_before else "was replaced by another"
        raise RefusedError(
            ErrorType.RESOURCE_CONFLICT, f"{kind} {name} {how}", reason="ConcurrentChange"
        )
    done_by_earlier_attempt = claim.spec.attempt > 1 and observed == state.after
    if observed != state.before and not done_by_earlier_attempt:
        changed = [path for path in sorted(observed) if state.before.get(path) != observed[path]]
        message = f"somebody changed {', '.join(changed[:4])} at the same time"
        raise RefusedError(ErrorType.RESOURCE_CONFLICT, message, reason="ConcurrentChange")
