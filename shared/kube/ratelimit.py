"""A token bucket for requests to the API server, first come, first served."""

import asyncio
from collections.abc import Callable

from shared.clock import Clock


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
        self._qps = qps
        self._burst = max(1, burst)
        self._clock = clock
        self._on_wait = on_wait
        self._ready_at = clock.monotonic() - self._burst / qps if qps else 0.0

    def reserve(self) -> float:
        """Take the next place and return how many seconds to wait for it."""
        if not self._qps:
            return 0.0
        now = self._clock.monotonic()
        earliest = now - (self._burst - 1) / self._qps
        self._ready_at = max(self._ready_at + 1 / self._qps, earliest)
        return max(0.0, self._ready_at - now)

    async def wait(self) -> None:
        """Wait for a place."""
        seconds = self.reserve()
        self._on_wait(seconds)
        if seconds:
            await asyncio.sleep(seconds)
