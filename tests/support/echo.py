"""Says every message on a bus again: twice, late, and the last one first."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from nats.aio.client import Client
from nats.aio.msg import Msg

MARK: Final = "test-echo"
_MESSAGE_ID: Final = "Nats-Msg-Id"


class Echo:
    """Hears what services publish and repeats it, without the id that would drop repeats."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._new: list[Msg] = []
        self.heard: list[Msg] = []

    async def listen(self) -> None:
        """Hear everything from now on."""
        for subject in ("wf.evt.>", "wf.cmd.>"):
            await self._client.subscribe(subject, cb=self._hear)
        await self._client.flush()

    async def repeat(self) -> None:
        """Repeat what was heard since the last time."""
        new, self._new = self._new, []
        await self._say(new)

    async def repeat_all(self) -> None:
        """Repeat everything that was ever heard."""
        await self._say(self.heard)

    async def _hear(self, msg: Msg) -> None:
        if MARK not in (msg.headers or {}):
            self._new.append(msg)
            self.heard.append(msg)

    async def _say(self, messages: list[Msg]) -> None:
        for msg in [*reversed(messages)] * 2:
            headers = {k: v for k, v in (msg.headers or {}).items() if k != _MESSAGE_ID}
            await self._client.publish(msg.subject, msg.data, headers=headers | {MARK: "1"})
        await self._client.flush()


@asynccontextmanager
async def echoing(url: str, *, after_s: float) -> AsyncIterator[Echo]:
    """Repeat what is published while the block lasts, in portions of so many seconds."""
    client = Client()
    await client.connect(url)
    echo = Echo(client)
    await echo.listen()

    async def go_on() -> None:
        while True:
            await asyncio.sleep(after_s)
            await echo.repeat()

    repeating = asyncio.create_task(go_on())
    try:
        yield echo
    finally:
        repeating.cancel()
        await asyncio.wait([repeating])
        await client.close()
    if not repeating.cancelled():
        repeating.result()
