"""Reading what a stream holds, for people: no consumer is made and nothing is taken out.

Asks the server for messages directly, a batch at a time, which needs no right but
`$JS.API.DIRECT.GET.<stream>`.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Final, Self

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from shared.bus.errors import LIBRARY, translate
from shared.errors import PermanentError, TransientError

_OPEN_S: Final = 5.0
_ANSWER_S: Final = 10.0
_BATCH: Final = 256
_STATUS: Final = "Status"
_END: Final = "204"
_NOTHING: Final = "404"
_SEQUENCE: Final = "Nats-Sequence"
_SUBJECT: Final = "Nats-Subject"


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """One message as the stream holds it."""

    subject: str
    data: bytes
    sequence: int


class StreamReader:
    """Reads streams of one server. Use it as an async context manager."""

    def __init__(self, url: str, *, credentials: str = "") -> None:
        """Name the server: one URL, or several with commas between them."""
        self._servers = [server.strip() for server in url.split(",")]
        self._credentials = credentials
        self._client = Client()

    async def __aenter__(self) -> Self:
        """Connect. Raises TransientError when there is no server."""
        where = ", ".join(self._servers)
        try:
            async with asyncio.timeout(_OPEN_S):
                await self._client.connect(
                    self._servers,
                    name="mendflow-reader",
                    error_cb=_ignore,
                    allow_reconnect=False,
                    max_reconnect_attempts=1,
                    user_credentials=self._credentials or None,
                )
        except LIBRARY as error:
            raise translate(error, doing=f"connect to {where}") from error
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave."""
        if self._client.is_connected:
            await self._client.close()

    async def messages(
        self, stream: str, subject: str, *, since: datetime, most: int
    ) -> AsyncIterator[Stored]:
        """Yield what a stream holds below a subject since a time, oldest first.

        Args:
            stream: its name.
            subject: may hold wildcards.
            since: the time from which on, aware.
            most: how many at most; there may be more.

        Raises:
            TransientError: the server does not answer.
            PermanentError: there is no such stream, or it cannot be read so.
        """
        start: dict[str, Any] = {"start_time": since.isoformat()}
        left = most
        while left > 0:
            asked = {"batch": min(left, _BATCH), "next_by_subj": subject, **start}
            batch = await self._batch(stream, asked)
            for each in batch:
                yield each
            if len(batch) < asked["batch"]:
                return
            left -= len(batch)
            start = {"seq": batch[-1].sequence + 1}

    async def _batch(self, stream: str, asked: dict[str, Any]) -> list[Stored]:
        api, inbox = f"$JS.API.DIRECT.GET.{stream}", self._client.new_inbox()
        found: list[Stored] = []
        try:
            async with asyncio.timeout(_ANSWER_S):
                answers = await self._client.subscribe(inbox)
                await self._client.publish(api, json.dumps(asked).encode(), reply=inbox)
                async for message in answers.messages:
                    status = (message.headers or {}).get(_STATUS, "")
                    if status in {_END, _NOTHING}:
                        break
                    found.append(_stored(message, stream, status))
                await answers.unsubscribe()
        except LIBRARY as error:
            raise translate(error, doing=f"read {stream}") from error
        return found


def _stored(message: Msg, stream: str, status: str) -> Stored:
    headers = message.headers or {}
    if status == "503":
        raise PermanentError("NoStream", f"there is no stream {stream} that can be read directly")
    if status or _SEQUENCE not in headers:
        why = headers.get("Description", "an answer that is none")
        raise TransientError("BusRefused", f"read {stream}: {status} {why}".strip())
    return Stored(
        subject=headers.get(_SUBJECT, ""),
        data=message.data,
        sequence=int(headers[_SEQUENCE]),
    )


async def _ignore(_: Exception) -> None:
    """Leave it to whoever asked: an answer that does not come is told by its time."""
