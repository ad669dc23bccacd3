"""Sends to a NATS server what no client library would send."""

import contextlib
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final
from urllib.parse import urlsplit

_TIMEOUT_S: Final = 10.0
VERSION: Final = b"NATS/1.0"


class RawConnection:
    """One connection, spoken to in the protocol's own words."""

    def __init__(self, sock: socket.socket, lines: BinaryIO) -> None:
        self._sock = sock
        self._lines = lines

    def publish(self, subject: str, body: bytes, *, headers: bytes = b"") -> None:
        """Publish; `headers` go out as they are. AssertionError when the server refuses it."""
        said = self.send(subject, body, headers=headers)
        assert said == b"+OK", said

    def send(self, subject: str, body: bytes, *, headers: bytes = b"") -> bytes:
        """Publish and return what the server says to it."""
        sizes = f"{len(headers)} {len(headers) + len(body)}" if headers else f"{len(body)}"
        verb = "HPUB" if headers else "PUB"
        # It may close the connection on the first line; what it said still waits for us.
        with contextlib.suppress(OSError):
            self._sock.sendall(f"{verb} {subject} {sizes}\r\n".encode() + headers + body + b"\r\n")
        return self._lines.readline().strip()


@contextmanager
def raw_connection(url: str) -> Iterator[RawConnection]:
    """Connect to a server that asks for no credentials."""
    address = urlsplit(url)
    assert address.hostname is not None
    with (
        socket.create_connection((address.hostname, address.port or 4222), _TIMEOUT_S) as sock,
        sock.makefile("rb") as lines,
    ):
        lines.readline()
        options = json.dumps({"verbose": True, "headers": True, "protocol": 1})
        sock.sendall(f"CONNECT {options}\r\n".encode())
        assert lines.readline() == b"+OK\r\n"
        yield RawConnection(sock, lines)
