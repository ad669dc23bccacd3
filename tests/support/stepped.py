"""An API server in memory whose every request waits for its turn, and so does every answer.

Whoever asks may be held up, or killed, before a request is carried out and after it. Writes
are compare-and-swap on a version that only grows; nothing else is imitated.
"""

import asyncio
import copy
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from typing import Any, Final

from shared.api.groups import Kind
from shared.errors import AlreadyExistsError, ConflictError, NotFoundError
from shared.kube.port import Change, Listing, Object

ACTOR: Final = ContextVar("ACTOR", default=0)
"""Who makes a request; tasks inherit it."""

Place = tuple[str, str, str]
"""Plural, namespace and name."""


class SteppedCluster:
    """Objects, and the requests that wait."""

    def __init__(self, on_written: Callable[[Object, Object], None]) -> None:
        """Begin empty; `on_written` is told of each object before and after a request."""
        self.objects: dict[Place, Object] = {}
        self.waiting: dict[asyncio.Future[None], int] = {}
        """Whose turn it is not yet, and who that is."""
        self.free = False
        """Whether nobody is held up any more."""
        self._on_written = on_written
        self._version = 0

    async def read(self, kind: Kind, name: str, *, namespace: str = "") -> Object | None:
        """Return the object as it is when its turn comes."""
        await self._turn()
        found = copy.deepcopy(self.objects.get((kind.plural, namespace, name)))
        await self._turn()
        return found

    async def list(self, kind: Kind, *, namespace: str = "", label_selector: str = "") -> Listing:
        """Nobody lists here."""
        raise NotImplementedError

    async def create(self, kind: Kind, body: Object, *, namespace: str = "") -> Object:
        """Create an object under a uid of its own."""
        await self._turn()
        place = (kind.plural, namespace, body["metadata"]["name"])
        if place in self.objects:
            raise AlreadyExistsError("AlreadyExists")
        self.put(place, body | {"metadata": body["metadata"] | {"uid": f"uid-{self._version}"}})
        created = copy.deepcopy(self.objects[place])
        await self._turn()
        return created

    async def patch(
        self, kind: Kind, name: str, body: Object, *, namespace: str = "", subresource: str = ""
    ) -> Object:
        """Merge-patch an object on the version that the body names."""
        del subresource
        await self._turn()
        place = (kind.plural, namespace, name)
        if place not in self.objects:
            raise NotFoundError("NotFound")
        before = self.objects[place]
        asked = body["metadata"]
        if any(before["metadata"][key] != asked[key] for key in ("uid", "resourceVersion")):
            raise ConflictError("Conflict")
        self.put(place, _merged(before, body))
        after = copy.deepcopy(self.objects[place])
        self._on_written(before, after)
        await self._turn()
        return after

    def watch(
        self, kind: Kind, *, namespace: str = "", name: str = "", resource_version: str = ""
    ) -> AsyncIterator[Change]:
        """Nobody watches here."""
        raise NotImplementedError

    def put(self, place: Place, body: Object) -> None:
        """Write an object as somebody else does, at once."""
        self._version += 1
        version = {"resourceVersion": str(self._version)}
        self.objects[place] = body | {"metadata": body["metadata"] | version}

    async def _turn(self) -> None:
        if self.free:
            return
        turn = asyncio.get_running_loop().create_future()
        self.waiting[turn] = ACTOR.get()
        try:
            await turn
        finally:
            self.waiting.pop(turn, None)

    def let_on(self, actor: int) -> bool:
        """Let one actor's requests come to the next stop; return whether it waited at all."""
        turns = [turn for turn, whose in self.waiting.items() if whose == actor]
        for turn in turns:
            del self.waiting[turn]
            turn.set_result(None)
        return bool(turns)


def _merged(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result
