"""Listening to everything that is said, as `nats sub 'wf.>'` does: for people, never for work.

A plain subscription: what is sent while it is not connected is not seen, and nothing waits
for it.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Self

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from shared.bus.errors import LIBRARY, translate

EVERYTHING: Final = "wf.>"
_OPEN_S: Final = 5.0


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """One message as it went by."""

    subject: str
    headers: Mapping[str, str]


class Spy:
    """Tells of every message from the moment it is entered."""

    def __init__(self, url: str, on_message: Callable[[Heard], None]) -> None:
        """Name the server, and who is told."""
        self._url = url
        self._on_message = on_message
        self._client = Client()

    async def __aenter__(self) -> Self:
        """Connect and listen. Raises TransientError when there is no server."""
        try:
            async with asyncio.timeout(_OPEN_S):
                await self._client.connect([self._url], name="mendflow-spy", error_cb=_ignore)
                await self._client.subscribe(EVERYTHING, cb=self._hear)
                # Only once the server has answered is everything from here on heard.
                await self._client.flush()
        except LIBRARY as error:
            raise translate(error, doing=f"listen at {self._url}") from error
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening."""
        if self._client.is_connected:
            await self._client.close()

    async def _hear(self, message: Msg) -> None:
        self._on_message(Heard(subject=message.subject, headers=dict(message.headers or {})))


async def _ignore(_: Exception) -> None:
    """Leave it to the client to come back; its own answer is to log a stack trace."""
