"""A worker process and its two pipes: frames to it, the one answer that is awaited from it."""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Sequence
from typing import Final

_LARGEST_ANSWER: Final = 64 * 1024
_HEAD: Final = 4
_LOOK_S: Final = 0.01


class Channel:
    """Whoever says what nobody asked for, too much, or nothing more, is killed.

    Needs no thread and no signal, so that a process can have as many as it likes, and start
    them where the system has nothing to give but a process.
    """

    def __init__(self, command: Sequence[str]) -> None:
        """Start the process, with nothing of ours but the pipes.

        Raises:
            OSError: the system does not let it.
        """
        self._loop = asyncio.get_running_loop()
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={},
            cwd="/",
            start_new_session=True,
        )
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._unsent = b""
        self._received = bytearray()
        self._answer: asyncio.Future[bytes] | None = None
        self._closed = asyncio.Event()
        for pipe in (self._in, self._out):
            os.set_blocking(pipe, False)
        self._loop.add_reader(self._out, self._read)

    @property
    def pid(self) -> int:
        """Return the id of the process."""
        return self._process.pid

    @property
    def is_open(self) -> bool:
        """Return whether a frame can be sent to a process that lives."""
        return not self._closed.is_set() and self._process.poll() is None

    @property
    def is_awaited(self) -> bool:
        """Return whether a frame is out that has no answer yet."""
        return self._answer is not None and not self._answer.done()

    async def answered(self, frame: bytes) -> bytes:
        """Send a frame, or nothing, and return the answer.

        Raises:
            ConnectionError: there will be none.
        """
        if self._closed.is_set():
            raise ConnectionError
        self._answer = self._loop.create_future()
        if frame:
            self._unsent = len(frame).to_bytes(_HEAD, "big") + frame
            self._write()
        try:
            return await self._answer
        finally:
            self._answer = None

    def kill(self) -> None:
        """End the process at once."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._loop.remove_reader(self._out)
        self._loop.remove_writer(self._in)
        with contextlib.suppress(OSError):
            self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError())

    async def gone(self) -> None:
        """Wait until the process has ended, for whatever reason, and the system forgot it."""
        await self._closed.wait()
        while self._process.poll() is None:  # noqa: ASYNC110 - a killed process takes no time
            await asyncio.sleep(_LOOK_S)

    def _write(self) -> None:
        try:
            sent = os.write(self._in, self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.kill()
            return
        self._unsent = self._unsent[sent:]
        if self._unsent:
            self._loop.add_writer(self._in, self._write)
        else:
            self._loop.remove_writer(self._in)

    def _read(self) -> None:
        try:
            data = os.read(self._out, _LARGEST_ANSWER)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._received += data
        left = _HEAD + int.from_bytes(self._received[:_HEAD], "big") - len(self._received)
        if not data or not self.is_awaited or not 0 <= left <= _LARGEST_ANSWER:
            self.kill()
        elif left == 0 and self._answer is not None:
            self._answer.set_result(bytes(self._received[_HEAD:]))
            self._received.clear()
