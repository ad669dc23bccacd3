"""An endless list-and-watch of one kind: resumes, lists anew on 410, and never trusts silence.

Deletes that happened unseen are made up from the difference of two lists. Versions of one
object never go back: an older event than the newest seen is dropped.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

import structlog

from shared import jitter
from shared.api.groups import Kind
from shared.clock import Clock
from shared.errors import MendflowError, TransientError
from shared.kube.errors import WatchExpiredError
from shared.kube.port import Change, Cluster, Object

_BACKOFF_S: Final = (0.2, 5.0)
_RELIST_S: Final = (300.0, 600.0)


class ListWatch:
    """All changes of a kind, from the first list on."""

    def __init__(
        self,
        cluster: Cluster,
        kind: Kind,
        *,
        namespace: str,
        clock: Clock,
        on_reconnect: Callable[[], None] = lambda: None,
        on_listed: Callable[[], None] = lambda: None,
    ) -> None:
        """Build it.

        Args:
            cluster: where the objects are.
            kind: what to follow.
            namespace: where; empty is everywhere.
            clock: says when to list anew.
            on_reconnect: called whenever a watch ended, before the next one.
            on_listed: called when all changes of a list were taken, or it was refused: what
                can be known is known.
        """
        self._cluster = cluster
        self._kind = kind
        self._namespace = namespace
        self._clock = clock
        self._on_reconnect = on_reconnect
        self._on_listed = on_listed
        self._known: dict[str, Object] = {}
        self._version = ""
        self._relist_at = 0.0
        self._told = ""
        """Why it could not watch when that was last said."""
        self._log = structlog.get_logger(kind=kind.kind)

    async def changes(self) -> AsyncIterator[Change]:
        """Yield changes for ever; errors are waited out."""
        delay = 0.0
        while True:
            try:
                if not self._version or self._clock.monotonic() >= self._relist_at:
                    for change in await self._list():
                        yield change
                    self._on_listed()
                async for change in self._follow():
                    delay = 0.0
                    yield change
            except WatchExpiredError:
                self._version = ""
            except TransientError as error:
                delay = min(_BACKOFF_S[1], max(_BACKOFF_S[0], delay * 2))
                self._log.debug("watch interrupted", reason=error.reason)
            except MendflowError as error:
                self._version, delay = "", _BACKOFF_S[1]
                self._tell_once(error)
                self._on_listed()
            self._on_reconnect()
            await asyncio.sleep(jitter.around(delay, by=0.5))

    def _tell_once(self, error: MendflowError) -> None:
        if error.reason != self._told:
            self._log.warning("cannot watch", reason=error.reason, error=str(error))
        self._told = error.reason

    async def _list(self) -> list[Change]:
        listing = await self._cluster.list(self._kind, namespace=self._namespace)
        found = {item["metadata"]["uid"]: item for item in listing.items}
        changes = [
            Change(type="DELETED", object=gone)
            for uid, gone in self._known.items()
            if uid not in found
        ]
        changes += [
            Change(type="ADDED" if uid not in self._known else "MODIFIED", object=item)
            for uid, item in found.items()
            if _version_of(item) > _version_of(self._known.get(uid))
        ]
        self._known = {uid: _remembered(item) for uid, item in found.items()}
        self._version = listing.resource_version
        self._relist_at = self._clock.monotonic() + jitter.between(*_RELIST_S)
        return changes

    async def _follow(self) -> AsyncIterator[Change]:
        async for change in self._cluster.watch(
            self._kind, namespace=self._namespace, resource_version=self._version
        ):
            self._version = change.object["metadata"]["resourceVersion"]
            if change.type == "BOOKMARK":
                if self._clock.monotonic() >= self._relist_at:
                    return
                continue
            uid = change.object["metadata"]["uid"]
            if change.type == "DELETED":
                self._known.pop(uid, None)
            elif _version_of(change.object) <= _version_of(self._known.get(uid)):
                continue
            else:
                self._known[uid] = _remembered(change.object)
            yield change


def _version_of(item: Object | None) -> int:
    return int(item["metadata"]["resourceVersion"]) if item else -1


def _remembered(item: Object) -> Object:
    """Keep what a made-up delete needs, and no status."""
    known = item.get("spec", {})
    reference = known.get("workflowExecutionRef")
    spec = {"workflowExecutionRef": reference, "stepName": known.get("stepName", "")}
    kept = {key: value for key, value in item["metadata"].items() if key != "managedFields"}
    return {"metadata": kept, "spec": spec if reference else {}}
