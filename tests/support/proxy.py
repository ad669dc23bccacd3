"""A TCP proxy that misbehaves on demand: it cuts, falls silent or lets nobody in."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import yaml

_CHUNK = 65536


class Proxy:
    """Stands between a client and one server on this machine."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._gates = [_open_gate()]
        self.port = 0

    async def __aenter__(self) -> Self:
        await self.let_in()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.keep_out()
        for gate in self._gates:
            gate.set()
        await asyncio.gather(*self._tasks)

    async def let_in(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def keep_out(self) -> None:
        """Refuse new connections and cut those there are."""
        if self._server is not None:
            self._server.close()
        self._server = None
        self.cut()

    def cut(self) -> None:
        """Break every connection."""
        for writer in self._open:
            writer.transport.abort()

    def fall_silent(self) -> None:
        """Keep the connections there are, and pass nothing on; new ones work."""
        self._gates[-1].clear()
        self._gates.append(_open_gate())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        gate = self._gates[-1]
        self._tasks.add(task)
        self._open.add(writer)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
            self._open.add(back)
            async with asyncio.TaskGroup() as both:
                both.create_task(_pass_on(reader, back, gate))
                both.create_task(_pass_on(there, writer, gate))
            self._open.discard(back)
        except OSError:
            writer.transport.abort()
        finally:
            self._open.discard(writer)
            self._tasks.discard(task)


def port_of(kubeconfig: Path) -> int:
    """Return the port of the API server that a kubeconfig names."""
    server: str = _read(kubeconfig)["clusters"][0]["cluster"]["server"]
    port = urlsplit(server).port
    assert port is not None
    return port


def through(kubeconfig: Path, proxy: Proxy, directory: Path) -> Path:
    """Return a kubeconfig that reaches the API server through a proxy."""
    config = _read(kubeconfig)
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{proxy.port}"
    path = directory / f"through-{proxy.port}.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event
) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            await gate.wait()
            writer.write(chunk)
            await writer.drain()
    writer.transport.abort()


def _open_gate() -> asyncio.Event:
    gate = asyncio.Event()
    gate.set()
    return gate


def _read(kubeconfig: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(kubeconfig.read_text())
    return found
