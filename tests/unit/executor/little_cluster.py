"""An API server in memory, for what only virtual time can show: versions, patches, watches."""

import asyncio
from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from typing import Any

import msgspec

from shared.api.groups import DEPLOYMENT, Kind
from shared.effects.forms import Form
from shared.errors import AlreadyExistsError, ConflictError, NotFoundError, TransientError
from shared.kube.port import Change, Listing, Object, Tried


class LittleCluster:
    """Objects under kind and name, each write one version up."""

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str], Object] = {}
        self._watchers: list[tuple[str, str, asyncio.Queue[Change]]] = []
        self._version = 100
        self.patches: list[tuple[str, str, Object]] = []
        """Every patch that was taken, as kind, name and body."""
        self.dry_runs: list[Object] = []
        """Every patch that was tried, and not kept."""
        self.on_dry_run: list[Callable[[], object]] = []
        """What happens at the next tries, in order; what it raises is their answer."""
        self.warnings: tuple[str, ...] = ()
        """What comes with every try that passes."""
        self.refusing: Exception | None = None
        """What every patch of a target is answered with."""
        self.losing = ""
        """What is lost of the next patch of a target: its `answer`, or the `request` already."""

    def put(self, kind: Kind, item: Object) -> None:
        """Store an object as it is, in a new version, and tell whoever watches."""
        stored = deepcopy(item)
        self._version += 1
        stored["metadata"]["resourceVersion"] = str(self._version)
        name = stored["metadata"]["name"]
        self._objects[kind.kind, name] = stored
        for watched, only, queue in self._watchers:
            if (watched, only) == (kind.kind, name):
                queue.put_nowait(Change(type="MODIFIED", object=deepcopy(stored)))

    def get(self, kind: Kind, name: str) -> Object:
        """Return an object, now."""
        return deepcopy(self._objects[kind.kind, name])

    def changes_of(self, kind: Kind) -> list[Object]:
        """Return the patches of one kind that were taken."""
        return [body for changed, _, body in self.patches if changed == kind.kind]

    async def read(self, kind: Kind, name: str, *, namespace: str = "") -> Object | None:
        """Return the object, or None."""
        del namespace
        await asyncio.sleep(0)
        return deepcopy(self._objects.get((kind.kind, name)))

    async def list(self, kind: Kind, *, namespace: str = "", label_selector: str = "") -> Listing:
        """Return all of a kind; every test has one namespace and few objects."""
        del namespace, label_selector
        await asyncio.sleep(0)
        items = [deepcopy(item) for (of, _), item in self._objects.items() if of == kind.kind]
        return Listing(items=items, resource_version=str(self._version))

    async def create(self, kind: Kind, body: Object, *, namespace: str = "") -> Object:
        """Store what was not there."""
        del namespace
        name = body["metadata"]["name"]
        if (kind.kind, name) in self._objects:
            raise AlreadyExistsError("AlreadyExists", name)
        self.put(kind, body)
        return self.get(kind, name)

    async def patch(
        self, kind: Kind, name: str, body: Object, *, namespace: str = "", subresource: str = ""
    ) -> Object:
        """Merge a patch in, if the version is still the one it names."""
        del namespace, subresource
        await asyncio.sleep(0)
        losing = ""
        if kind is DEPLOYMENT:
            losing, self.losing = self.losing, ""
            if self.refusing is not None:
                raise self.refusing
        if losing == "request":
            raise TransientError("ApiUnavailable", "lost on the way")
        known = self._admitted(kind, name, body)
        self.patches.append((kind.kind, name, deepcopy(body)))
        self.put(kind, _merged(known, body))
        if losing == "answer":
            raise TransientError("ApiUnavailable", "the answer was lost")
        return self.get(kind, name)

    def unlimited(self) -> "LittleCluster":
        """There is no limit here."""
        return self

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
        """Judge a patch as it would be judged, and keep nothing of it."""
        del namespace, form, force
        await asyncio.sleep(0)
        known = self._admitted(kind, name, body)
        self.dry_runs.append(deepcopy(body))
        if self.on_dry_run:
            self.on_dry_run.pop(0)()
        return Tried(object=_merged(known, body), warnings=self.warnings)

    async def dry_create(self, kind: Kind, body: Object, *, namespace: str = "") -> Tried:
        """Nobody creates targets here."""
        raise NotImplementedError

    async def apply(
        self, kind: Kind, name: str, body: Object, *, namespace: str = "", force: bool = False
    ) -> Object:
        """Nobody applies manifests here."""
        raise NotImplementedError

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
        """Nobody deletes here."""
        raise NotImplementedError

    async def evict(self, name: str, *, uid: str, namespace: str, grace_s: int | None) -> None:
        """Nobody evicts here."""
        raise NotImplementedError

    async def pods_on(self, node: str) -> Listing:
        """Nobody drains here."""
        raise NotImplementedError

    async def logs(self, pod: str, *, namespace: str, container: str, limit_bytes: int) -> str:
        """Nobody runs Jobs here."""
        raise NotImplementedError

    def _admitted(self, kind: Kind, name: str, body: Object) -> Object:
        """Return the object to patch, if the version is still the one that the patch names."""
        known = self._objects.get((kind.kind, name))
        if known is None:
            raise NotFoundError("NotFound", name)
        if body["metadata"]["resourceVersion"] != known["metadata"]["resourceVersion"]:
            raise ConflictError("Conflict", name)
        return known

    async def watch(
        self, kind: Kind, *, namespace: str = "", name: str = "", resource_version: str = ""
    ) -> AsyncIterator[Change]:
        """Yield what comes after a version; what came in between is told at once."""
        del namespace
        queue: asyncio.Queue[Change] = asyncio.Queue()
        entry = (kind.kind, name, queue)
        self._watchers.append(entry)
        try:
            now = self._objects.get((kind.kind, name))
            if now is not None and now["metadata"]["resourceVersion"] != resource_version:
                yield Change(type="MODIFIED", object=deepcopy(now))
            while True:
                yield await queue.get()
        finally:
            self._watchers.remove(entry)


def _merged(known: Object, patch: Object) -> Object:
    merged = dict(known)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = _merged(merged.get(key) or {}, value)
        else:
            merged[key] = value
    return merged


def stored(execution: msgspec.Struct) -> Object:
    """Return an execution as the API server shows it."""
    shown: Object = msgspec.to_builtins(execution)
    return shown
