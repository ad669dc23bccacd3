"""The requests that change a target, stamped and bound to the version that was read."""

from services.executor.capture import manifest_for
from services.executor.core import stamps
from services.executor.core.captures import Mutation
from services.executor.held import HeldClaim
from services.executor.ledger import LedgerCluster
from shared.api.parameters import ApplyManifest
from shared.kube.port import Object


class TargetWriter:
    """Writes to the one target of an execution; whoever asks has confirmed the claim (R4).

    Every method raises ConflictError when the target is not as it was read, and NotFoundError,
    TransientError and PermanentError as the request does.
    """

    def __init__(self, cluster: LedgerCluster, claim: HeldClaim, mutation: Mutation) -> None:
        self._cluster = cluster
        self._claim = claim
        self._mutation = mutation
        self._address = mutation.address

    def body(self, live: Object, patch: Object) -> Object:
        """Return the body of a patch of the target as it was read."""
        return stamps.stamped(live, patch, self._claim.now)

    async def patch(self, body: Object) -> None:
        """Send a body that was made by `body`."""
        address = self._address
        await self._cluster.patch(address.kind, address.name, body, namespace=address.namespace)

    async def fence(self, live: Object, *, locks_too: bool) -> None:
        """Stamp the target, and change nothing else."""
        await self.patch(stamps.stamped(live, {}, self._claim.now, locks_too=locks_too))

    async def apply(self, live: Object, parameters: ApplyManifest) -> Object:
        """Apply a manifest on the target as it was read; return what it led to."""
        manifest = manifest_for(self._mutation, parameters)
        return await self._cluster.apply(
            self._address.kind,
            self._address.name,
            stamps.stamped(live, manifest, self._claim.now),
            namespace=self._address.namespace,
            force=parameters.force_conflicts,
        )

    async def create(self, parameters: ApplyManifest) -> Object:
        """Make the object of a manifest. Raises AlreadyExistsError as well."""
        manifest = manifest_for(self._mutation, parameters)
        body = stamps.stamped({"metadata": {}}, manifest, self._claim.now)
        address = self._address
        return await self._cluster.create(address.kind, body, namespace=address.namespace)

    async def delete(self, live: Object) -> None:
        """Delete the target as it was read."""
        meta = live["metadata"]
        await self._cluster.delete(
            self._address.kind,
            self._address.name,
            uid=meta["uid"],
            namespace=self._address.namespace,
            resource_version=meta["resourceVersion"],
        )
