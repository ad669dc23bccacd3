"""One connection that is opened for as long as it takes, and opened again when it closed.

The client library reconnects by itself, but closes for good when every server refused it,
as with credentials that were rotated. Nobody above may notice more than "not connected".
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import structlog

from shared.bus.client import Client
from shared.bus.errors import LIBRARY
from shared.contracts.subjects import Service

FLOOR: Final = (2, 12, 7)
"""Older servers lack authorisation fixes."""
_OPEN_S: Final = 3.0
_CLOSE_S: Final = 2.0
_RETRY_S: Final = 0.5
_MAX_RETRY_S: Final = 5.0


class Connection:
    """Holds the client of now."""

    def __init__(
        self,
        servers: str,
        *,
        name: str,
        service: Service,
        credentials: str,
        spread: Callable[[], float],
        on_change: Callable[[], None],
    ) -> None:
        self._servers = [server.strip() for server in servers.split(",")]
        self._name = name
        self._service = service
        self._credentials = credentials
        self._spread = spread
        self._on_change = on_change
        self._log = structlog.get_logger(service=str(service))
        self.client = Client()
        self._opened = False
        self.was_lost = False
        """Messages may have been missed; whoever acts on it sets it back."""

    @property
    def connected(self) -> bool:
        """Return whether the server is there."""
        return self.client.is_connected

    @property
    def closed(self) -> bool:
        """Return whether the client will not come back by itself."""
        return not (self.client.is_connected or self.client.is_reconnecting)

    async def open(self) -> None:
        """Connect, however long it takes."""
        wait = _RETRY_S
        while not await self._try():
            await asyncio.sleep(wait * self._spread())
            wait = min(_MAX_RETRY_S, wait * 2)
        self.was_lost = True

    async def close(self) -> None:
        """Close, sending what waits to be sent."""
        if not self._opened:  # the client library cannot close what it never opened
            return
        with contextlib.suppress(*LIBRARY):
            async with asyncio.timeout(_CLOSE_S):
                await self.client.close()

    def problem(self) -> str:
        """Return why this server must not be used, or nothing."""
        version = self.client.connected_server_version
        if not self.connected or (version.major, version.minor, version.patch) >= FLOOR:
            return ""
        floor = ".".join(str(part) for part in FLOOR)
        return f"nats-server {version} is too old; run {floor} or newer"

    async def _try(self) -> bool:
        await self.close()
        self.client, self._opened = Client(), True
        try:
            # Never give up once connected; then even the first connect has no end of its own.
            async with asyncio.timeout(_OPEN_S):
                await self.client.connect(
                    self._servers,
                    name=self._name,
                    inbox_prefix=f"_INBOX.{self._service}",
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=1,
                    connect_timeout=2,
                    ping_interval=10,
                    max_outstanding_pings=2,
                    pending_size=0,  # nothing is stored while away and sent as a ghost later
                    error_cb=self._on_error,
                    reconnected_cb=self._on_reconnected,
                    closed_cb=self._on_closed,
                    user_credentials=self._credentials or None,
                )
        except LIBRARY as error:
            self._log.debug("bus not reachable", error=repr(error))
            return False
        return True

    async def _on_error(self, error: Exception) -> None:
        # A denied publish is a timeout to its caller; only this says what was denied.
        if "permissions violation" in str(error).lower():
            self._log.error("bus denied", error=str(error))
        else:
            self._log.debug("bus error", error=repr(error))

    async def _on_reconnected(self) -> None:
        self.was_lost = True
        self._on_change()

    async def _on_closed(self) -> None:
        self._on_change()
