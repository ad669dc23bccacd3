"""Asking an execution in work to end early, at a moment when nothing is left half done."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Stop:
    """Whether the work at hand is to end; waits that begin here are cut short by it.

    Only waiting is ever cut short. A request that changes something is always awaited, so
    that it is known whether it was done.
    """

    def __init__(self) -> None:
        self.asked = False
        self._waits: set[asyncio.Timeout] = set()

    def ask(self) -> None:
        """Ask the work to end at the next safe moment."""
        self.asked = True
        now = asyncio.get_running_loop().time()
        for wait in self._waits:
            if not wait.expired():
                wait.reschedule(now)

    @asynccontextmanager
    async def waiting(self, seconds: float) -> AsyncIterator[None]:
        """Bound a wait, in seconds. Raises TimeoutError when it is over, or when asked."""
        async with asyncio.timeout(0 if self.asked else seconds) as wait:
            self._waits.add(wait)
            try:
                yield
            finally:
                self._waits.discard(wait)

    async def pause(self, seconds: float) -> None:
        """Let some time pass, or none when asked to end."""
        try:
            async with self.waiting(seconds):
                await asyncio.Event().wait()
        except TimeoutError:
            return
