"""Barring the network: a unit test that connects has lost its way."""

import socket
from typing import Any, NoReturn

import pytest


class NetworkBarredError(AssertionError):
    """A test that may not, tried to use the network."""


def bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every attempt to listen or connect raise; the pairs of an event loop still work."""
    for name in ("bind", "connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, _refuse)


def _refuse(_self: socket.socket, address: Any, /) -> NoReturn:
    message = f"a unit test reached for {address}; a test with servers belongs in tests/integration"
    raise NetworkBarredError(message)
