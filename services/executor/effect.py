"""The one write to a target, and the wait until it has settled.

R4: read the target, then read the execution live (the claim still ours), then write with
the target's uid and resourceVersion. A lost answer is Unknown, never a failure: the target
is read again, and our own operation on it means that it was done. The same write says who
holds the target; another workflow's hold is waited out. Where a dry run comes first, it tries
that very write.
"""

from datetime import datetime
from typing import Final

from services.executor.capture import Captures, is_captured_undo, missing
from services.executor.core import changes, judging, locks, operations, paths
from services.executor.core.captures import Mutation
from services.executor.core.changes import Done, RefusedError, State, Verdict
from services.executor.core.stamps import operation_of
from services.executor.dry_running import DryRun
from services.executor.held import HeldClaim
from services.executor.keeping import KeptStates
from services.executor.known_state import KnownState
from services.executor.ledger import LedgerCluster
from services.executor.locking import TargetLocks
from services.executor.settling import Settling
from services.executor.stop import Stop
from services.executor.writing import TargetWriter
from shared.api.enums import ExecutionKind
from shared.api.execution import KubernetesExecution, RollbackOf
from shared.api.parameters import ApplyManifest
from shared.clock import Clock
from shared.errors import (
    AlreadyExistsError,
    ConflictError,
    FencedError,
    NotFoundError,
    PermanentError,
    TransientError,
)
from shared.kube.port import Object
from shared.kube.store import ExecutionStore
from shared.limits import GitOps

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
        captures = Captures(cluster, executions, clock=clock, gitops=gitops)
        self._known = KnownState(captures, KeptStates(cluster), claim, mutation)
        self._writer = TargetWriter(cluster, claim, mutation)
        self._locks = TargetLocks(cluster, executions)
        self._settling = Settling(cluster, clock=clock, deadline=deadline, stop=stop)
        self._clock = clock
        self._deadline = deadline
        self._stop = stop
        self._unanswered = ""
        """Version of the target on which a write may still be on its way."""
        self._said = ""
        """What was answered to the last write, where it was neither taken nor refused."""
        self._may_be_made = claim.now.status.claim_fence > 1
        """Whether a request of ours, or of an earlier holder, may have been carried out."""
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
        try:
            await self._make()
        except (RefusedError, PermanentError):
            if not self._may_be_made:
                self._known.know_unchanged()
            raise

    async def _make(self) -> None:
        """Make the change. Raises as `apply` does."""
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
            if await self._is_known(live) and await self._is_made(live):
                return
            last = f"{self._address} to take the change{self._said}"
            await self._stop.pause(_RETRY_S)
        raise changes.too_late(last)

    async def settle(self) -> Done:
        """Wait until the target has settled.

        Raises:
            RefusedError: when it will not settle, or not in time, or the step was cancelled.
        """
        captured, undo = self.claim.status.rollback_information, self._undo

        def judge(live: Object | None) -> Verdict:
            if undo is not None and undo.absent_before:
                return self._judge_gone(undo, live)
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
        lost = operation_of(self.claim, ExecutionKind.FORWARD)
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
                await self._writer.fence(live, locks_too=locks_too)
            except (ConflictError, TransientError):
                await self._stop.pause(_RETRY_S)
                continue
            return operations.is_stamped(live, lost)
        return False

    @property
    def _undo(self) -> RollbackOf | None:
        """Return what is undone, where it was captured."""
        return self.claim.spec.rollback_of if is_captured_undo(self.claim) else None

    def _is_done(self, live: Object) -> bool:
        """Return whether our change is on the target. Raises FencedError."""
        if self._is_ours(live):
            self.dry_run.was_before(self.claim, self._address)
            self._known.know_target(live)
            return True
        self._cluster.refute(
            self._address.kind, self._address.name, version=live["metadata"]["resourceVersion"]
        )
        settled = operations.is_stamped(live, operation_of(self.claim, ExecutionKind.SETTLE))
        if settled and self.claim.spec.kind is ExecutionKind.FORWARD:
            raise FencedError("StepSettled", f"{self._address} was settled without this change")
        return False

    def _is_ours(self, live: Object) -> bool:
        """Return whether our stamp is on the target, and take note of the write that left it."""
        done = operations.find(live, operation_of(self.claim))
        if done is None:
            return False
        self._cluster.saw(self._address.kind, live, before=done.version)
        return True

    async def _wait_for(self, holder: KubernetesExecution) -> None:
        left = (self._deadline - self._clock.now()).total_seconds()
        try:
            async with self._stop.waiting(max(0.0, left)):
                await self._locks.until_ended(holder)
        except TimeoutError:
            return

    async def _is_known(self, live: Object) -> bool:
        """Return whether what undoes our change is known of the target as it is.

        Where another workflow wrote since, waited for or not, it is captured anew.
        """
        captured = self.claim.status.rollback_information
        if captured is None:
            return True
        if locks.was_taken(live, self.claim, since=captured.resource_version):
            try:
                await self._known.capture(live)
            except TransientError:
                # What was captured before is the other workflow's to change, and out of date.
                return False
        return True

    async def _is_made_absent(self) -> bool:
        """Make the object where there is none, and return whether that is known to be done."""
        undo, parameters = self._undo, self._mutation.parameters
        if undo is not None:
            if undo.absent_before:
                return True
            raise missing(self._mutation)
        state = await self._known.get(None)
        if not state.absent_before or not isinstance(parameters, ApplyManifest):
            raise missing(self._mutation)
        if self._stop.asked:
            raise changes.cancelled(_BEFORE)
        await self._claim.confirm()
        try:
            made = await self._writer.create(parameters)
        except AlreadyExistsError:
            await self._stop.pause(_RETRY_S)
            return False
        except TransientError:
            self._may_be_made = True
            await self._stop.pause(_RETRY_S)
            return False
        # Its creation was tried when it was captured.
        self.dry_run.was_before(self.claim, self._address)
        self._known.know_target(made)
        return True

    async def _is_made(self, live: Object) -> bool:
        """Make the change, and return whether it is known to be done, or not needed.

        Raises:
            RefusedError: when it cannot or must not be made.
            PermanentError: when the API server refuses it, or would.
        """
        try:
            state = await self._known.get(live)
        except ConflictError:
            return False
        undo = self._undo
        if undo is None:
            judging.refuse_foreign_change(self.claim, state, live)
        stamp_only = undo is not None and not judging.undoes(undo, state, live)
        if changes.is_satisfied(self.claim):
            return True
        if undo is not None and undo.absent_before:
            return await self._is_deleted(live)
        body = self._writer.body(live, {} if stamp_only else self._patch(live, state))
        if not await self.dry_run.passes(self.claim, self._address, body):
            return False
        await self._claim.confirm()
        return await self._is_written(live, body)

    def _patch(self, live: Object, state: State) -> Object:
        wanted = state.after if self._undo is None else state.before
        return paths.patch(live, paths.replaced(live, wanted))

    async def _is_written(self, live: Object, body: Object) -> bool:
        """Write, and return whether it is known to be done. Raises RefusedError."""
        parameters = self._mutation.parameters
        try:
            if isinstance(parameters, ApplyManifest) and self._undo is None:
                self._known.know_target(await self._writer.apply(live, parameters))
            else:
                await self._writer.patch(body)
        except ConflictError:
            return False
        except TransientError as error:
            self._said = f": {error}"
            self._unanswered = body["metadata"]["resourceVersion"]
            self._may_be_made = True
            return False
        except NotFoundError as error:
            raise missing(self._mutation) from error
        return True

    async def _is_deleted(self, live: Object) -> bool:
        await self._claim.confirm()
        try:
            await self._writer.delete(live)
        except TransientError:
            return False
        except NotFoundError:
            return True
        return True

    def _judge_gone(self, undo: RollbackOf, live: Object | None) -> Verdict:
        uid = undo.target.uid if undo.target is not None else ""
        if live is not None and live["metadata"]["uid"] == uid:
            return changes.NotYet(message=f"{self._address} is still there")
        return Done(result=changes.removed(self._address))

    async def _read(self) -> Object | None:
        return await self._cluster.read(
            self._address.kind, self._address.name, namespace=self._address.namespace
        )
