"""The pull loop: keeps messages requested from one durable consumer, and never hangs.

Overlapping batched pulls on one inbox, with heartbeats. A silent server, a lost consumer or
a new leader all end in a fresh inbox and a fresh pull (design: nats-py's `fetch` hangs or
returns nothing in these cases).
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription  # noqa: TC002 - annotations are read at run time

from shared.bus.errors import LIBRARY
from shared.clock import Clock
from shared.errors import TransientError
from shared.waiting import happened

_NS: Final = 1e9
_EXPIRES_S: Final = 10.0
_HEARTBEAT_S: Final = 3.0
_MAX_BACKOFF_S: Final = 5.0


class PullLoop:
    """Keep at most `batch` messages asked for or in hand; give each to `deliver`."""

    def __init__(
        self,
        client: Callable[[], Client],
        *,
        stream: str,
        consumer: str,
        deliver: Callable[[Msg], None],
        ensure: Callable[[], Awaitable[object]],
        clock: Clock,
        batch: int,
        group: str = "",
        in_hand: Callable[[], int] = lambda: 0,
    ) -> None:
        """Build it.

        Args:
            client: returns the connection of now; a closed one is replaced by another.
            stream: where the consumer belongs to.
            consumer: the name of the durable consumer.
            deliver: takes one message; must not block.
            ensure: makes sure that the consumer exists, or raises TransientError.
            clock: measures silence.
            batch: how many messages may be asked for or in hand at a time.
            group: the priority group of a pinned consumer.
            in_hand: how many messages were taken and are not answered yet.
        """
        self._client = client
        self._deliver = deliver
        self._ensure = ensure
        self._clock = clock
        self._batch = batch
        self._group = group
        self._in_hand = in_hand
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._inbox = ""
        self._sub: Subscription | None = None
        self._pin = ""
        self._outstanding = 0
        self._heard = 0.0
        self._delay = 0.0
        self._missing = False
        self._stopping = False
        self.kick = asyncio.Event()

    async def run(self) -> None:
        """Pull until stopped or cancelled."""
        try:
            while not self._stopping:
                self.kick.clear()
                await self._turn()
                await happened(self.kick, within_s=_HEARTBEAT_S)
        finally:
            await self._unsubscribe()

    def renew(self) -> None:
        """Start over with a fresh inbox: the connection was lost in between."""
        self._missing = True
        self.kick.set()

    def stop(self) -> None:
        """Ask for nothing more."""
        self._stopping = True
        self.kick.set()

    async def _turn(self) -> None:
        try:
            if self._delay:
                await asyncio.sleep(self._delay)
            if self._missing:
                await self._ensure()
            silence = self._clock.monotonic() - self._heard
            silent = self._outstanding > 0 and silence > 2 * _HEARTBEAT_S + 0.5
            if self._sub is None or self._missing or silent:
                await self._resubscribe()
            if self._want() > 0:
                await self._pull()
        except (*LIBRARY, TransientError):
            self._back_off()

    def _want(self) -> int:
        """Return how many more to ask for; few at a time only when nothing is asked for."""
        if self._stopping or self._outstanding > self._batch // 2:
            return 0
        free = self._batch - self._outstanding - self._in_hand()
        return free if self._outstanding <= 0 or free >= self._batch // 8 else 0

    async def _resubscribe(self) -> None:
        await self._unsubscribe()
        # A new inbox: late frames of dead pulls are never seen.
        client = self._client()
        self._inbox = client.new_inbox()
        self._sub = await client.subscribe(self._inbox, cb=self._on)
        self._outstanding, self._missing = 0, False

    async def _unsubscribe(self) -> None:
        if self._sub is not None:
            sub, self._sub = self._sub, None
            with contextlib.suppress(*LIBRARY):
                await sub.unsubscribe()

    async def _pull(self) -> None:
        want = self._want()
        ask: dict[str, Any] = {
            "batch": want,
            "expires": int(_EXPIRES_S * _NS),
            "idle_heartbeat": int(_HEARTBEAT_S * _NS),
        }
        ask |= {"group": self._group} if self._group else {}
        ask |= {"id": self._pin} if self._pin else {}
        self._outstanding += want
        self._heard = self._clock.monotonic()
        await self._client().publish(self._subject, json.dumps(ask).encode(), self._inbox)

    async def _on(self, msg: Msg) -> None:
        self._heard = self._clock.monotonic()
        headers = msg.headers or {}
        if "Status" in headers and not msg.reply.startswith("$JS.ACK."):
            self._on_status(headers["Status"], headers)
            return
        self._outstanding = max(0, self._outstanding - 1)
        self._delay = 0.0
        self._pin = headers.get("Nats-Pin-Id", self._pin)
        self._deliver(msg)
        if self._want() > 0:
            self.kick.set()

    def _on_status(self, status: str, headers: dict[str, str]) -> None:
        if status == "100":
            self._delay = 0.0
            return
        left = int(headers.get("Nats-Pending-Messages", self._outstanding))
        self._outstanding = max(0, self._outstanding - left)
        if status == "423":
            self._pin = ""
        elif status in {"409", "503"}:
            gone = headers.get("Description", "").startswith("Consumer Deleted")
            self._missing |= status == "503" or gone
            self._back_off()
        self.kick.set()

    def _back_off(self) -> None:
        self._delay = min(_MAX_BACKOFF_S, self._delay * 2 or 0.1)
