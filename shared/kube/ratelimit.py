"""A token bucket for requests to the API server, first come, first served.

Places are taken when a request goes, not when it comes: who gives up while waiting leaves no
hole behind.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from shared.clock import Clock

_NOTHING_S: Final = 1e-9
"""Below what a float can tell apart once a clock has run for years."""


class RateLimiter:
    """Lets `qps` requests a second through, and `burst` at once after a pause."""

    def __init__(
        self,
        *,
        qps: float,
        burst: int,
        clock: Clock,
        on_wait: Callable[[float], None] = lambda _: None,
    ) -> None:
        """Build it; a `qps` of 0 means no limit. `on_wait` is told each wait in seconds."""
        self.adjust(qps=qps, burst=burst)
        self._clock = clock
        self._on_wait = on_wait
        self._full_at = clock.monotonic()
        self._line = asyncio.Lock()

    def adjust(self, *, qps: float, burst: int) -> None:
        """Let through more or less from now on."""
        self._interval = 1 / qps if qps else 0.0
        self._slack = self._interval * (max(1, burst) - 1)

    def lifted(self) -> "RateLimiter":
        """Return one that lets everything through, and is told of by the same `on_wait`."""
        return RateLimiter(qps=0, burst=1, clock=self._clock, on_wait=self._on_wait)

    async def wait(self) -> None:
        """Wait for a place."""
        came = self._clock.monotonic()
        if self._interval:
            async with self._line:
                if (left := self._left()) > _NOTHING_S:
                    await asyncio.sleep(left)
                self._full_at = max(self._full_at, self._clock.monotonic()) + self._interval
        self._on_wait(self._clock.monotonic() - came)

    def _left(self) -> float:
        return self._full_at - self._slack - self._clock.monotonic()
