"""Follows a kind as the watcher does, and remembers all it was told."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from shared.kube.port import Change
    from shared.kube.watch import ListWatch

Object = dict[str, Any]
NOTE = "tests.example/n"


class Follower:
    """What somebody who only listens to a ListWatch knows."""

    def __init__(self, watch: "ListWatch") -> None:
        self._watch = watch
        self.told: list[Change] = []
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def until(self, holds: Callable[[dict[str, str]], bool]) -> None:
        """Wait until the world, as told so far, is as wanted."""
        async with asyncio.timeout(60):
            while not holds(self.world()):
                self._news.clear()
                await self.meanwhile(self._news)

    def world(self) -> dict[str, str]:
        """Return what there is by now: names and the note on each."""
        there: dict[str, str] = {}
        for change in self.told:
            name = change.object["metadata"]["name"]
            if change.type == "DELETED":
                there.pop(name, None)
            else:
                there[name] = note_of(change.object)
        return there

    def notes(self, name: str) -> list[str]:
        """Return the notes of one object in the order they were told."""
        return [
            note_of(change.object)
            for change in self.told
            if change.object["metadata"]["name"] == name and change.type != "DELETED"
        ]

    async def meanwhile(self, event: asyncio.Event) -> None:
        """Wait for something else to happen; a follower that ends fails the test."""
        assert self._task is not None
        waiting = asyncio.create_task(event.wait())
        async with asyncio.timeout(60):
            await asyncio.wait({waiting, self._task}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._task.done():
            self._task.result()

    async def _listen(self) -> None:
        async for change in self._watch.changes():
            self.told.append(change)
            self._news.set()


def note_of(item: Object) -> str:
    """Return the note that a test left on an object."""
    annotations: dict[str, str] = item["metadata"].get("annotations", {})
    return annotations.get(NOTE, "")
