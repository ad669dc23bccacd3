"""Who may use a worker next: tenants take turns, and nobody waits for ever."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

_TOO_MANY: Final = "too many evaluations wait already"


class OverloadedError(Exception):
    """No place became free in time, or too many wait already."""


class FairQueue:
    """Hands out a fixed number of places, to one waiter of each tenant after the other."""

    def __init__(self, places: int, *, longest: int, longest_of_one: int, wait_s: float) -> None:
        """Take how many may have a place, and how many may wait for how long."""
        self._free = places
        self._longest = longest
        self._longest_of_one = longest_of_one
        self._wait_s = wait_s
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """Return how many wait."""
        return sum(map(len, self._waiting.values()))

    @asynccontextmanager
    async def place(self, tenant: str) -> AsyncIterator[None]:
        """Hold a place.

        Raises:
            OverloadedError: there is none, and waiting for one is over or not possible.
        """
        await self._take(tenant)
        try:
            yield
        finally:
            self._give()

    async def _take(self, tenant: str) -> None:
        if self._free and not self._waiting:
            self._free -= 1
            return
        own = len(self._waiting.get(tenant, ()))
        is_full = self.waiting >= self._longest and not self._made_room(own)
        if is_full or own >= self._longest_of_one:
            raise OverloadedError(_TOO_MANY)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(turn)
        try:
            async with asyncio.timeout(self._wait_s):
                await turn
        except BaseException as error:
            self._leave(tenant, turn)
            if isinstance(error, TimeoutError):
                raise OverloadedError("no worker became free in time") from None
            raise

    def _made_room(self, own: int) -> bool:
        """Send away the last of the tenant that has most, where that is more than one's own."""
        tenant, line = max(self._waiting.items(), key=lambda each: len(each[1]))
        if len(line) <= own + 1:
            return False
        last = line[-1]
        self._remove(tenant, last)
        if not last.done():
            last.set_exception(OverloadedError(_TOO_MANY))
        return True

    def _leave(self, tenant: str, turn: asyncio.Future[None]) -> None:
        if turn.done() and not turn.cancelled() and not turn.exception():
            self._give()
        else:
            self._remove(tenant, turn)

    def _remove(self, tenant: str, turn: asyncio.Future[None]) -> None:
        line = self._waiting.get(tenant)
        if line and turn in line:
            line.remove(turn)
            if not line:
                del self._waiting[tenant]

    def _give(self) -> None:
        """Pass a place to the tenant whose turn it is, or keep it."""
        while self._waiting:
            tenant, line = self._waiting.popitem(last=False)
            turn = line.popleft()
            if line:
                self._waiting[tenant] = line
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
