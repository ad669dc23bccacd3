"""A server that a test may kill and wipe."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.bus.embedded import EmbeddedServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path / "nats") as running:
        yield running
