"""A claim in our hands: its status is written on, as long as it stands."""

import msgspec

from services.executor.core import claims
from shared.api.execution import CapturedInverse, EffectRecord, KubernetesExecution
from shared.errors import ConflictError, FencedError
from shared.kube.store import ExecutionStore


class HeldClaim:
    """The execution as we last wrote it."""

    def __init__(self, executions: ExecutionStore, claim: KubernetesExecution) -> None:
        self._executions = executions
        self.now = claim
        """With what was noted since it was written."""
        self.written = claim
        """As it stands on the API server, for all we know."""

    async def confirm(self) -> KubernetesExecution:
        """Return the live execution. Raises FencedError when the claim is gone.

        What nobody has claimed yet is anybody's: it has to be as it was read.
        """
        meta = self.written.metadata
        live = await self._executions.fetch(meta.namespace, meta.name)
        if live is None or not claims.holds(live, self.written):
            raise FencedError("ClaimLost", f"{meta.name} is no longer ours")
        if not live.is_claimed and live.metadata.resource_version != meta.resource_version:
            raise FencedError("Overtaken", f"{meta.name} is not as it was read any more")
        return live

    def note(
        self,
        *,
        inverse: CapturedInverse | None = None,
        effects: list[EffectRecord] | None = None,
    ) -> None:
        """Take note of what is written with the result at the latest."""
        status = self.now.status
        if inverse is not None:
            status = msgspec.structs.replace(status, rollback_information=inverse)
        if effects is not None:
            status = msgspec.structs.replace(status, effects=effects)
        self.now = msgspec.structs.replace(self.now, status=status)

    async def keep(self, *, progress: str = "") -> None:
        """Write down what was noted, and how far it is.

        Raises:
            FencedError: when the claim is gone.
            TransientError: when it could not be stored.
        """
        while True:
            live, noted = await self.confirm(), self.now.status
            status = msgspec.structs.replace(
                live.status,
                rollback_information=noted.rollback_information,
                effects=noted.effects,
                progress=progress or live.status.progress,
            )
            if status == live.status:
                return
            try:
                self.written = await self._executions.write_status(live, status)
            except ConflictError:
                continue
            # What was noted meanwhile is newer than what was written.
            newer, self.now = self.now.status, self.written
            self.note(inverse=newer.rollback_information, effects=newer.effects)
            return
