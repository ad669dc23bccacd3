"""A worker process seen from outside: started, asked, watched, and killed when in doubt."""

import asyncio
import importlib.util
import os
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from shared.policy.port import Failure, Policy
from shared.policy.worker_channel import Channel

_START_S: Final = 30.0
_WATCH_S: Final = 0.01
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_COMPUTED: Final = slice(11, 13)
"""What `/proc/<pid>/stat` says after the name: ticks of computing, and pages held."""
_RESIDENT: Final = 21
_COMPUTING: Final = 0.5
"""Of its time, what a worker must have computed for that time to be up."""
_PATIENCE: Final = 3.5
"""Times the time after which it is up whatever the machine let a worker do."""
_MOST_KEPT: Final = 24
_SHARED: Final = ""
_ENTRY: Final = (
    "import sys; sys.path += sys.argv[3:]; from shared.policy.worker import main; main()"
)


class LostError(Exception):
    """The worker was killed or died; says what for."""

    def __init__(self, failure: Failure, *, is_starved: bool = False) -> None:
        """Take why it is gone, and whether the machine was too busy to let it compute."""
        super().__init__(failure)
        self.failure = failure
        self.is_starved = is_starved


class StartError(Exception):
    """No worker can be started; the message says why."""


class Answer(msgspec.Struct, frozen=True):
    """All that a worker may say."""

    id: int
    """The number of the frame that it answers."""
    value: Literal["true", "false", "undefined", "other", "error"] = "error"
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    failed: bool = False
    """Whether the reasons or the notes could not be found."""
    why: str = ""
    """Why something failed."""
    refused: tuple[str, ...] = ()
    """Why a policy was not given to the interpreter."""
    error: str = ""
    """Why a policy does not compile, or a worker cannot be one."""


_ANSWERS: Final = msgspec.json.Decoder(Answer)


class WorkerProcess:
    """One process, which answers one question at a time."""

    def __init__(self, channel: Channel, *, most_bytes: int) -> None:
        """Take a process that was just started, and what it may hold.

        Raises:
            OSError: it cannot be watched.
        """
        self._channel = channel
        self._most_bytes = most_bytes
        self._stat = os.open(f"/proc/{channel.pid}/stat", os.O_RDONLY)
        self._cause = Failure.CRASH
        self._is_starved = False
        self._last = 0
        self._kept: OrderedDict[str, str] = OrderedDict()

    @classmethod
    async def started(cls, *, most_bytes: int, niceness: int = 0) -> "WorkerProcess":
        """Return a worker that is ready.

        Raises:
            StartError: there is none.
        """
        try:
            channel = Channel(_command(niceness))
        except OSError as error:
            raise StartError(f"no worker can be started: {error}") from None
        try:
            return await cls._ready(channel, most_bytes)
        except BaseException:
            channel.kill()
            await channel.gone()
            raise

    @classmethod
    async def _ready(cls, channel: Channel, most_bytes: int) -> "WorkerProcess":
        try:
            worker = cls(channel, most_bytes=most_bytes)
        except OSError as error:
            raise StartError(f"no worker can be watched: {error}") from None
        try:
            said = await worker._exchanged(None, _START_S)
        except LostError as error:
            await worker.gone()
            raise StartError(f"no worker becomes ready: {error.failure}") from None
        except BaseException:
            await worker.gone()
            raise
        if said.error:
            worker.kill()
            await worker.gone()
            raise StartError(said.error)
        return worker

    @property
    def pid(self) -> int:
        """Return the id of the process."""
        return self._channel.pid

    @property
    def alive(self) -> bool:
        """Return whether anything can be asked."""
        return self._channel.is_open

    @property
    def resident(self) -> int:
        """Return the bytes of memory that it holds; 0 when it is gone."""
        seen = self._seen()
        return int(seen[_RESIDENT]) * _PAGE if seen else 0

    def keeps(self, digest: str) -> bool:
        """Return whether a policy is compiled in it."""
        return digest in self._kept

    async def load(self, policy: Policy, digest: str, *, tenant: str, within_s: float) -> Answer:
        """Have a policy screened and compiled; the answer says what is wrong with it, if anything.

        Raises:
            LostError: the worker did not survive it.
        """
        frame = {
            "op": "load",
            "key": digest,
            "drop": self._made_room(),
            "package": policy.package,
            "module": policy.module,
            "libraries": policy.libraries,
            "rule": policy.rule,
            "reasons": policy.reasons,
            "is_deny": policy.is_deny,
            "notes": policy.notes,
        }
        answer = await self._exchanged(frame, within_s)
        if not (answer.refused or answer.error):
            self._kept[digest] = tenant
        return answer

    async def run(self, digest: str, data: bytes, *, tenant: str, within_s: float) -> Answer:
        """Ask a policy that is compiled in it.

        Raises:
            LostError: the worker did not survive it.
        """
        self._kept.move_to_end(digest)
        if self._kept[digest] != tenant:
            self._kept[digest] = _SHARED
        return await self._exchanged(
            {"op": "run", "key": digest, "input": msgspec.Raw(data)}, within_s
        )

    def kill(self) -> None:
        """End the process at once; nothing can be asked any more."""
        self._channel.kill()

    async def gone(self) -> None:
        """Wait until it ends, for whatever reason, and the system has forgotten it."""
        try:
            await self._channel.gone()
        finally:
            if self._stat >= 0:
                os.close(self._stat)
                self._stat = -1

    def _made_room(self) -> list[str]:
        """Forget what makes room for one more, of whoever has most that nobody else uses."""
        gone: list[str] = []
        while len(self._kept) >= _MOST_KEPT:
            held = Counter(self._kept.values())
            held[_SHARED] = 0
            most = max(held.values())
            digest = next(each for each, whose in self._kept.items() if held[whose] == most)
            del self._kept[digest]
            gone.append(digest)
        return gone

    async def _exchanged(self, frame: dict[str, Any] | None, within_s: float) -> Answer:
        """Send a frame, if any, and return the answer to it; an interruption kills."""
        self._cause, self._is_starved = Failure.CRASH, False
        body = b""
        if frame is not None:
            self._last += 1
            body = msgspec.json.encode({"id": self._last, **frame})
        stop = self._watched(within_s)
        try:
            answer = _ANSWERS.decode(await self._channel.answered(body))
            self._check(answer)
        except (OSError, ValueError):
            self.kill()
            raise LostError(self._cause, is_starved=self._is_starved) from None
        except BaseException:
            self.kill()
            raise
        else:
            return answer
        finally:
            stop()

    def _check(self, answer: Answer) -> None:
        if answer.id != self._last:
            message = "the answer to another question"
            raise ValueError(message)

    def _watched(self, within_s: float) -> Callable[[], None]:
        """Kill at the end of the time, or above the memory; return how to stop watching."""
        loop = asyncio.get_running_loop()
        before_s, began = self._spent_s(), loop.time()

        def late() -> None:
            is_starved = self._spent_s() - before_s < _COMPUTING * within_s
            if is_starved and loop.time() - began < _PATIENCE * within_s:
                timers[0] = loop.call_later(within_s, late)
            else:
                self._end(Failure.TIMEOUT, is_starved=is_starved)

        def look() -> None:
            if self.resident > self._most_bytes:
                self._end(Failure.MEMORY)
            else:
                timers[1] = loop.call_later(_WATCH_S, look)

        timers = [loop.call_later(within_s, late), loop.call_later(_WATCH_S, look)]

        def stop() -> None:
            for timer in timers:
                timer.cancel()

        return stop

    def _end(self, cause: Failure, *, is_starved: bool = False) -> None:
        """Kill, unless the answer came while this process was too busy to read it."""
        if self._channel.is_awaited:
            self._cause, self._is_starved = cause, is_starved
            self.kill()

    def _spent_s(self) -> float:
        """Return for how long it has computed, ever."""
        seen = self._seen()
        return sum(map(int, seen[_COMPUTED])) / _TICKS if seen else 0.0

    def _seen(self) -> list[bytes]:
        """Return what the system says of the process, or nothing when it is gone."""
        if not self.alive:
            return []
        try:
            return os.pread(self._stat, 1024, 0).rpartition(b")")[2].split()
        except OSError:
            return []


def _command(niceness: int) -> list[str]:
    """Return how a worker is started, without loading the interpreter here."""
    found = importlib.util.find_spec("regopy")
    if found is None or found.origin is None:
        raise StartError("no worker can be started: regopy is not installed")
    return [
        *(sys.executable, "-I", "-S", "-c", _ENTRY),
        *(str(os.getpid()), str(niceness)),
        *(str(Path(__file__).parents[2]), str(Path(found.origin).parents[1])),
    ]
