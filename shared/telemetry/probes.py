"""Health, readiness and metrics over HTTP: three read-only paths, nothing else."""

import asyncio
import os
from collections.abc import Callable, Mapping
from http import HTTPStatus

from shared.errors import CannotStartError

Answer = tuple[HTTPStatus, bytes]

_MAX_REQUEST = 8192
_REQUEST_S = 5.0


class Readiness:
    """What stands between this process and its work, by name."""

    def __init__(self) -> None:
        self._problems: dict[str, str] = {}
        self._notes: dict[str, Callable[[], str]] = {}

    def set(self, check: str, problem: str) -> None:
        """Record the outcome of a check; an empty problem means that it passed."""
        if problem:
            self._problems[check] = problem
        else:
            self._problems.pop(check, None)

    def note(self, check: str, look: Callable[[], str]) -> None:
        """Show what `look` returns beside the answer, without making it a problem."""
        self._notes[check] = look

    def answer(self) -> Answer:
        """Return 200, or 503 with one problem a line; notes follow, one a line."""
        lines = _lines(self._problems) or ["ok"]
        lines += _lines({check: look() for check, look in self._notes.items()})
        status = HTTPStatus.SERVICE_UNAVAILABLE if self._problems else HTTPStatus.OK
        return status, "".join(f"{line}\n" for line in lines).encode()


def _lines(texts: Mapping[str, str]) -> list[str]:
    return [f"{name}: {text}" for name, text in sorted(texts.items()) if text]


class ProbeServer:
    """A small HTTP server for one port."""

    def __init__(self, host: str, port: int, *, paths: dict[str, Callable[[], Answer]]) -> None:
        self._host = host
        self._port = port
        self._paths = paths
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Return the port it listens on, also when 0 was asked for."""
        if self._server is None:
            return self._port
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        """Listen. Raises CannotStartError when the port is taken."""
        try:
            self._server = await asyncio.start_server(
                self._serve, self._host, self._port, limit=_MAX_REQUEST
            )
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            message = (
                f"cannot listen on {self._host}:{self._port}: {why}; "
                "MENDFLOW_HEALTH_PORT and MENDFLOW_METRICS_PORT choose others, 0 any free one"
            )
            raise CannotStartError(message) from error

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_REQUEST_S):
                request = await reader.readuntil(b"\r\n\r\n")
                status, body = self._respond(request)
                head = f"HTTP/1.1 {status.value} {status.phrase}\r\n"
                head += "Content-Type: text/plain; charset=utf-8\r\n"
                head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                writer.write(head.encode() + (b"" if request.startswith(b"HEAD ") else body))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return
        finally:
            writer.close()

    def _respond(self, request: bytes) -> Answer:
        match request.split(b"\r\n", 1)[0].split():
            case [b"GET" | b"HEAD", path, _]:
                handler = self._paths.get(path.split(b"?")[0].decode(errors="replace"))
                return handler() if handler else (HTTPStatus.NOT_FOUND, b"not found\n")
            case _:
                return HTTPStatus.METHOD_NOT_ALLOWED, b"GET only\n"
