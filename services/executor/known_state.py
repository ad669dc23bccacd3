"""The fields that one execution changes: captured before, and kept until the change is made."""

import msgspec

from services.executor.capture import Captures, is_captured_undo, missing
from services.executor.core.captures import Mutation, with_allocated, without_change
from services.executor.core.changes import State
from services.executor.held import HeldClaim
from services.executor.keeping import KeptStates
from shared.kube.port import Object


class KnownState:
    """What is known of the state before and after the change of one execution."""

    def __init__(
        self, captures: Captures, kept: KeptStates, claim: HeldClaim, mutation: Mutation
    ) -> None:
        self._captures = captures
        self._kept = kept
        self._claim = claim
        self._mutation = mutation
        self._state: State | None = None

    async def get(self, live: Object | None) -> State:
        """Return the fields to change; capture them first where nobody did (R2).

        Raises:
            RefusedError: when the change cannot be made.
            PermanentError: when the API server would refuse it.
            ConflictError: when the target changed while it was tried.
        """
        claim = self._claim.now
        undo = claim.spec.rollback_of if is_captured_undo(claim) else None
        if undo is None and claim.status.rollback_information is None:
            await self.capture(live)
        captured = undo or self._claim.now.status.rollback_information
        if captured is None:
            raise missing(self._mutation)
        if self._state is None:
            namespace = claim.metadata.namespace
            self._state = await self._kept.state(captured, namespace=namespace)
        return self._state

    async def capture(self, live: Object | None) -> None:
        """Capture what undoes the change, and write it down before it is made (R2).

        Raises as `get` does.
        """
        inverse = await self._captures.inverse(self._claim.now, self._mutation, live)
        self._claim.note(inverse=inverse)
        await self._claim.keep()
        self._state = None

    def know_target(self, live: Object) -> None:
        """Take note of what our write left: which object it made, and what was allocated for it.

        The undo of what a manifest made deletes that one object only.
        """
        captured = self._claim.now.status.rollback_information
        if captured is None or captured.target is None:
            return
        if not captured.target.uid:
            target = msgspec.structs.replace(captured.target, uid=live["metadata"]["uid"])
            captured = msgspec.structs.replace(captured, target=target)
        self._claim.note(inverse=with_allocated(captured, live))

    def know_unchanged(self) -> None:
        """Take note that the change was not made: there is nothing of ours to undo."""
        captured = self._claim.now.status.rollback_information
        if captured is not None:
            self._claim.note(inverse=without_change(captured))
