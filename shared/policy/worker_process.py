"""A worker process seen from outside: started, asked, watched, and killed when in doubt."""

import asyncio
import importlib.util
import os
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from shared.policy.port import Failure, Policy

_LARGEST_ANSWER: Final = 64 * 1024
_START_S: Final = 30.0
_WATCH_S: Final = 0.01
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_MOST_KEPT: Final = 16
_ENTRY: Final = (
    "import sys; sys.path += sys.argv[2:]; from shared.policy.worker import main; main()"
)


class LostError(Exception):
    """The worker was killed or died; says what for."""

    def __init__(self, failure: Failure) -> None:
        """Take why it is gone."""
        super().__init__(failure)
        self.failure = failure


class WorkerProcess:
    """One process, which answers one question at a time."""

    def __init__(self, process: asyncio.subprocess.Process, *, most_bytes: int) -> None:
        """Take a process that was just started."""
        self._process = process
        self._most_bytes = most_bytes
        self._statm = os.open(f"/proc/{process.pid}/statm", os.O_RDONLY)
        self._cause = Failure.CRASH
        self._kept: OrderedDict[str, None] = OrderedDict()
        self.alive = True

    @classmethod
    async def started(cls, *, most_bytes: int) -> "WorkerProcess":
        """Return a worker that is ready.

        Raises:
            LostError: it did not become ready.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", "-c", _ENTRY, str(os.getpid()), *_paths()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
            cwd="/",
        )
        worker = cls(process, most_bytes=most_bytes)
        try:
            await worker._exchanged(None, _START_S)
        except BaseException:
            await worker.gone()
            raise
        return worker

    @property
    def pid(self) -> int:
        """Return the id of the process."""
        return self._process.pid

    @property
    def resident(self) -> int:
        """Return the bytes of memory that it holds; 0 when it is gone."""
        if not self.alive:
            return 0
        try:
            return int(os.pread(self._statm, 128, 0).split()[1]) * _PAGE
        except (OSError, IndexError):
            return 0

    def keeps(self, digest: str) -> bool:
        """Return whether a policy is compiled in it."""
        return digest in self._kept

    async def load(self, policy: Policy, *, within_s: float) -> dict[str, Any]:
        """Have a policy screened and compiled; return what is wrong with it, if anything.

        Raises:
            LostError: the worker did not survive it.
        """
        drop = [self._kept.popitem(last=False)[0] for _ in range(len(self._kept) - _MOST_KEPT + 1)]
        frame = {
            "op": "load",
            "key": policy.digest,
            "drop": drop,
            "package": policy.package,
            "module": policy.module,
            "libraries": policy.libraries,
            "rule": policy.rule,
            "reasons": policy.reasons,
            "is_deny": policy.is_deny,
            "notes": policy.notes,
        }
        answer = await self._exchanged(msgspec.json.encode(frame), within_s)
        if not answer:
            self._kept[policy.digest] = None
        return answer

    async def run(self, digest: str, data: bytes, *, within_s: float) -> dict[str, Any]:
        """Ask a policy that is compiled in it; return the value and the reasons.

        Raises:
            LostError: the worker did not survive it.
        """
        self._kept.move_to_end(digest)
        frame = {"op": "run", "key": digest, "input": msgspec.Raw(data)}
        return await self._exchanged(msgspec.json.encode(frame), within_s)

    def kill(self) -> None:
        """End the process at once; nothing can be asked any more."""
        if self.alive:
            self.alive = False
            os.close(self._statm)
            if self._process.returncode is None:
                self._process.kill()

    async def ended(self) -> None:
        """Wait until the process ends, for whatever reason."""
        await self._process.wait()

    async def gone(self) -> None:
        """Kill it and wait until the system has forgotten it."""
        self.kill()
        await self._process.wait()

    async def _exchanged(self, frame: bytes | None, within_s: float) -> dict[str, Any]:
        """Send a frame, if any, and return the answer to it; an interruption kills."""
        self._cause = Failure.CRASH
        stop = self._watched(within_s)
        try:
            if frame is not None:
                self._write(frame)
            return await self._read()
        except (asyncio.IncompleteReadError, OSError, ValueError):
            self.kill()
            raise LostError(self._cause) from None
        except BaseException:
            self.kill()
            raise
        finally:
            stop()

    def _write(self, frame: bytes) -> None:
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        self._process.stdin.write(len(frame).to_bytes(4, "big") + frame)

    async def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        size = int.from_bytes(await self._process.stdout.readexactly(4), "big")
        if size > _LARGEST_ANSWER:
            message = "an answer that no worker gives"
            raise ValueError(message)
        answer: dict[str, Any] = msgspec.json.decode(await self._process.stdout.readexactly(size))
        return answer

    def _watched(self, within_s: float) -> Callable[[], None]:
        """Kill at the end of the time, or above the memory; return how to stop watching."""
        loop = asyncio.get_running_loop()

        timers = [loop.call_later(within_s, self._end, Failure.TIMEOUT)]

        def look() -> None:
            if self.resident > self._most_bytes:
                self._end(Failure.MEMORY)
            else:
                timers[1] = loop.call_later(_WATCH_S, look)

        timers.append(loop.call_later(_WATCH_S, look))

        def stop() -> None:
            for timer in timers:
                timer.cancel()

        return stop

    def _end(self, cause: Failure) -> None:
        if self.alive:
            self._cause = cause
            self.kill()


def _paths() -> list[str]:
    """Return where this project and the interpreter are found, without loading the latter."""
    found = importlib.util.find_spec("regopy")
    if found is None or found.origin is None:
        message = "regopy is not installed"
        raise RuntimeError(message)
    return [str(Path(__file__).parents[2]), str(Path(found.origin).parents[1])]
