"""The cluster port: what services need of an API server, written from their need.

Adapters: `shared.kube.client` (real). Reads return None for what is not there; writes
raise the classes of `shared.errors`. Bodies are plain JSON values.
"""

from collections.abc import AsyncIterator
from typing import Any, Protocol

import msgspec

from shared.api.groups import Kind
from shared.effects.forms import Form

Object = dict[str, Any]


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A complete, consistent list and the version a watch may start from."""

    items: list[Object]
    resource_version: str


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a watch saw. `type` is ADDED, MODIFIED, DELETED or BOOKMARK."""

    type: str
    object: Object


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What a dry run showed: the object as it would be, and what the server warns of."""

    object: Object
    warnings: tuple[str, ...] = ()


class Cluster(Protocol):
    """Requests to one API server, rate-limited and bounded in time."""

    async def read(self, kind: Kind, name: str, *, namespace: str = "") -> Object | None:
        """Return the live object, or None when there is none."""
        ...

    async def list(self, kind: Kind, *, namespace: str = "", label_selector: str = "") -> Listing:
        """Return all objects (of every namespace when none is named), page after page."""
        ...

    async def create(self, kind: Kind, body: Object, *, namespace: str = "") -> Object:
        """Create an object; AlreadyExistsError when the name is taken."""
        ...

    async def patch(
        self,
        kind: Kind,
        name: str,
        body: Object,
        *,
        namespace: str = "",
        subresource: str = "",
    ) -> Object:
        """Merge-patch an object; a resourceVersion in the body makes it a compare-and-swap.

        Raises ConflictError on another version, NotFoundError when it is gone.
        """
        ...

    def watch(
        self, kind: Kind, *, namespace: str = "", name: str = "", resource_version: str = ""
    ) -> AsyncIterator[Change]:
        """Yield changes until the server or the client's own time limit ends the watch.

        Raises WatchExpiredError (410) when `resource_version` is too old: list again.
        """
        ...


class TargetCluster(Cluster, Protocol):
    """What those need besides who change the objects that workflows are about."""

    def unlimited(self) -> "TargetCluster":
        """Return the same cluster without a limit of requests, for who finds out its own."""
        ...

    async def dry_run(
        self,
        kind: Kind,
        name: str,
        body: Any,
        *,
        namespace: str = "",
        form: Form = Form.MERGE,
        force: bool = False,
    ) -> Tried:
        """Have a patch judged in full but not kept; `force` is for manifests that are applied.

        Raises whatever the patch itself would raise.
        """
        ...

    async def dry_create(self, kind: Kind, body: Object, *, namespace: str = "") -> Tried:
        """Have a creation judged in full but not kept. Raises whatever it would raise."""
        ...

    async def apply(
        self, kind: Kind, name: str, body: Object, *, namespace: str = "", force: bool = False
    ) -> Object:
        """Apply a manifest on the server; a resourceVersion in it makes it a compare-and-swap.

        Raises ConflictError on another version, PermanentError when another manager owns a
        field and it is not taken over by `force`.
        """
        ...

    async def delete(
        self,
        kind: Kind,
        name: str,
        *,
        uid: str,
        namespace: str = "",
        resource_version: str = "",
        grace_s: int | None = None,
    ) -> Object:
        """Delete the object of that uid, and of that version if one is named.

        Raises ConflictError when it is another one, NotFoundError when it is gone.
        """
        ...

    async def evict(self, name: str, *, uid: str, namespace: str, grace_s: int | None) -> None:
        """Ask for the eviction of the pod of that uid, which its disruption budgets may refuse.

        Raises DisruptionBudgetError when one does, ConflictError when it is another pod,
        NotFoundError when it is gone.
        """
        ...

    async def pods_on(self, node: str) -> Listing:
        """Return all pods that are bound to a node."""
        ...

    async def logs(self, pod: str, *, namespace: str, container: str, limit_bytes: int) -> str:
        """Return the end of what a container wrote."""
        ...
