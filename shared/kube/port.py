"""The cluster port: what services need of an API server, written from their need.

Adapters: `shared.kube.client` (real). Reads return None for what is not there; writes
raise the classes of `shared.errors`. Bodies are plain JSON values.
"""

from collections.abc import AsyncIterator
from typing import Any, Protocol

import msgspec

from shared.api.groups import Kind

Object = dict[str, Any]


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A complete, consistent list and the version a watch may start from."""

    items: list[Object]
    resource_version: str


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a watch saw. `type` is ADDED, MODIFIED, DELETED or BOOKMARK."""

    type: str
    object: Object


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

    async def dry_run(
        self, kind: Kind, name: str, body: Object, *, namespace: str = ""
    ) -> tuple[str, ...]:
        """Have a merge patch judged in full but not kept; return what the server warns of.

        Raises whatever the patch itself would raise.
        """
        ...

    def watch(
        self, kind: Kind, *, namespace: str = "", name: str = "", resource_version: str = ""
    ) -> AsyncIterator[Change]:
        """Yield changes until the server or the client's own time limit ends the watch.

        Raises WatchExpiredError (410) when `resource_version` is too old: list again.
        """
        ...
