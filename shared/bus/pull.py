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

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from shared.clock import Clock

_NS: Final = 1e9
_EXPIRES_S: Final = 10.0
_HEARTBEAT_S: Final = 3.0
_MAX_BACKOFF_S: Final = 5.0


class PullLoop:
    """Keep `batch` messages requested from one durable consumer; hand each to `deliver`."""

    def __init__(  # noqa: PLR0913 - one loop's settings
        self,
        nc: Client,
        *,
        stream: str,
        consumer: str,
        deliver: Callable[[Msg], None],
        ensure: Callable[[], Awaitable[None]],
        clock: Clock,
        batch: int,
        group: str = "",
    ) -> None:
        self._nc = nc
        self._deliver = deliver
        self._ensure = ensure
        self._clock = clock
        self._batch = batch
        self._group = group
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._inbox = ""
        self._sub: Subscription | None = None
        self._pin = ""
        self._outstanding = 0
        self._heard = 0.0
        self._delay = 0.0
        self._missing = False
        self.kick = asyncio.Event()

    async def run(self) -> None:
        """Pull until cancelled."""
        try:
            while True:
                self.kick.clear()
                await self._turn()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.kick.wait(), _HEARTBEAT_S)
        finally:
            await self._unsubscribe()

    def renew(self) -> None:
        """Start over with a fresh inbox: the connection was lost in between."""
        self._missing = True
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
            if self._outstanding <= self._batch // 2:
                await self._pull()
        except (nats.errors.Error, TimeoutError, OSError):
            self._back_off()

    async def _resubscribe(self) -> None:
        await self._unsubscribe()
        # A new inbox: late frames of dead pulls are never seen.
        self._inbox = self._nc.new_inbox()
        self._sub = await self._nc.subscribe(self._inbox, cb=self._on)
        self._outstanding, self._missing = 0, False

    async def _unsubscribe(self) -> None:
        if self._sub is not None:
            with contextlib.suppress(nats.errors.Error):
                await self._sub.unsubscribe()
            self._sub = None

    async def _pull(self) -> None:
        want = self._batch - self._outstanding
        ask: dict[str, Any] = {
            "batch": want,
            "expires": int(_EXPIRES_S * _NS),
            "idle_heartbeat": int(_HEARTBEAT_S * _NS),
        }
        ask |= {"group": self._group} if self._group else {}
        ask |= {"id": self._pin} if self._pin else {}
        self._outstanding += want
        self._heard = self._clock.monotonic()
        await self._nc.publish(self._subject, json.dumps(ask).encode(), self._inbox)

    async def _on(self, msg: Msg) -> None:
        self._heard = self._clock.monotonic()
        headers = msg.headers or {}
        if "Status" in headers and not msg.reply.startswith("$JS.ACK."):
            self._on_status(headers["Status"], headers)
            return
        self._outstanding -= 1
        self._delay = 0.0
        self._pin = headers.get("Nats-Pin-Id", self._pin)
        self._deliver(msg)
        if self._outstanding <= self._batch // 2:
            self.kick.set()

    def _on_status(self, status: str, headers: dict[str, str]) -> None:
        if status == "100":
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
