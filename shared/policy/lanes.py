"""A queue and the workers behind it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from shared.policy.pool import Pool
from shared.policy.queue import FairQueue, OverloadedError
from shared.policy.worker_process import WorkerProcess

_LONGEST_QUEUE: Final = 256
_LONGEST_OF_ONE: Final = 64


class Lane:
    """Hands out workers to tenants in turn."""

    def __init__(self, pool: Pool, *, wait_s: float) -> None:
        """Take the workers, and how long one may wait for them."""
        self._pool = pool
        self._wait_s = wait_s
        self._queue = FairQueue(
            pool.size,
            longest=_LONGEST_QUEUE,
            longest_of_one=_LONGEST_OF_ONE,
            wait_s=wait_s,
        )

    @property
    def pids(self) -> list[int]:
        """Return the ids of the processes that live."""
        return self._pool.pids

    def open(self) -> None:
        """Start the workers, unless they are."""
        self._pool.open()

    async def close(self) -> None:
        """Kill them, and wait until they are gone."""
        await self._pool.close()

    @asynccontextmanager
    async def worker(self, tenant: str, digest: str) -> AsyncIterator[WorkerProcess]:
        """Hold a worker.

        Raises:
            OverloadedError: none became free in time, or none can be started.
        """
        async with self._queue.place(tenant):
            try:
                worker = await self._pool.take(digest, within_s=self._wait_s)
            except TimeoutError:
                why = self._pool.trouble or "no worker became free in time"
                raise OverloadedError(why) from None
            try:
                yield worker
            finally:
                self._pool.give(worker)
