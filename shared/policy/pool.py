"""Worker processes, of which whichever dies is replaced."""

import asyncio
from typing import Final

from shared.policy.worker_process import StartError, WorkerProcess

_RETIRE_SHARE: Final = 0.5
"""Of the memory that a worker may hold; above it, it is replaced after its evaluation."""
_PAUSE_S: Final = 0.5


class Pool:
    """Keeps a number of workers alive and hands out those that do nothing."""

    def __init__(
        self, size: int, *, most_bytes: int, niceness: int = 0, pause_s: float = 0.0
    ) -> None:
        """Take how many there are, what each may hold, and how eager they are.

        `pause_s` goes by before one that died is replaced.
        """
        self.size = size
        self._most_bytes = most_bytes
        self._niceness = niceness
        self._pause_s = pause_s
        self._idle: list[WorkerProcess] = []
        self._living: set[WorkerProcess] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._came = asyncio.Event()
        self.trouble = ""
        """Why the last attempt to start a worker failed; nothing when it did not."""

    @property
    def pids(self) -> list[int]:
        """Return the ids of the processes that live."""
        return sorted(worker.pid for worker in self._living if worker.alive)

    def open(self) -> None:
        """Start the workers, unless they are; each can be taken as soon as it is ready."""
        if not self._tasks:
            loop = asyncio.get_running_loop()
            self._tasks = [loop.create_task(self._tended()) for _ in range(self.size)]

    async def close(self) -> None:
        """Kill everything and wait until it is gone."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def take(self, digest: str, *, within_s: float) -> WorkerProcess:
        """Return a worker for this policy alone, rather one that knows it already.

        Raises:
            TimeoutError: none became free in time.
        """
        async with asyncio.timeout(within_s):
            while not self._available():
                self._came.clear()
                await self._came.wait()
        at = next((n for n, each in enumerate(self._idle) if each.keeps(digest)), 0)
        return self._idle.pop(at)

    def give(self, worker: WorkerProcess) -> None:
        """Take a worker back; one that has grown is killed, and whatever died is replaced."""
        if worker.resident > self._most_bytes * _RETIRE_SHARE:
            worker.kill()
        if worker.alive:
            self._offer(worker)

    def _available(self) -> bool:
        """Forget those that died while they did nothing; return whether one is left."""
        self._idle = [worker for worker in self._idle if worker.alive]
        return bool(self._idle)

    def _offer(self, worker: WorkerProcess) -> None:
        self._idle.append(worker)
        self._came.set()

    async def _tended(self) -> None:
        """Have one worker alive at any time."""
        while True:
            try:
                worker = await WorkerProcess.started(
                    most_bytes=self._most_bytes, niceness=self._niceness
                )
            except StartError as error:
                self.trouble = str(error)
                await asyncio.sleep(_PAUSE_S)
                continue
            except Exception as error:  # noqa: BLE001 - whatever it is, it may pass
                self.trouble = f"no worker can be started: {type(error).__name__}: {error}"
                await asyncio.sleep(_PAUSE_S)
                continue
            self.trouble = ""
            self._living.add(worker)
            self._offer(worker)
            try:
                await worker.gone()
            finally:
                self._living.discard(worker)
                worker.kill()
                await worker.gone()
            await asyncio.sleep(self._pause_s)
