"""Reading a stream without a consumer."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from nats.aio.client import Client

from shared.bus import streams
from shared.bus.embedded import EmbeddedServer
from shared.bus.stored import StreamReader
from shared.clock import SystemClock
from shared.errors import PermanentError, TransientError

ALL = "wf.pol.>"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
async def client(server: EmbeddedServer) -> AsyncIterator[Client]:
    connected = Client()
    await connected.connect(server.url)
    yield connected
    await connected.close()


async def read(
    server: EmbeddedServer, subject: str = ALL, *, since: datetime = LONG_AGO, most: int = 10_000
) -> list[tuple[str, bytes]]:
    async with StreamReader(server.url) as reader:
        return [
            (each.subject, each.data)
            async for each in reader.messages("WFPOL", subject, since=since, most=most)
        ]


async def fill(client: Client, count: int) -> list[tuple[str, bytes]]:
    """Store so many messages, of ten workflows in turn."""
    await streams.ensure(client)
    sent = [(f"wf.pol.u{n % 10}.a.safety", str(n).encode()) for n in range(count)]
    for subject, data in sent:
        await client.jetstream().publish(subject, data)
    return sent


async def test_a_stream_is_read_to_its_end_in_order(server: EmbeddedServer, client: Client) -> None:
    sent = await fill(client, 512)

    assert await read(server) == sent
    assert await read(server, "wf.pol.u3.>") == [each for each in sent if ".u3." in each[0]]


async def test_no_more_is_read_than_was_asked_for(server: EmbeddedServer, client: Client) -> None:
    sent = await fill(client, 300)

    assert await read(server, most=290) == sent[:290]


async def test_only_what_came_since_a_time_is_read(server: EmbeddedServer, client: Client) -> None:
    await fill(client, 3)

    assert await read(server, since=SystemClock().now() + timedelta(hours=1)) == []


async def test_an_empty_stream_holds_nothing(server: EmbeddedServer, client: Client) -> None:
    await streams.ensure(client)

    assert await read(server) == []


async def test_reading_leaves_no_consumer_behind(server: EmbeddedServer, client: Client) -> None:
    await fill(client, 3)
    await read(server)

    assert (await streams.survey(client))["WFPOL"].consumers == 0


async def test_a_stream_that_is_not_there_is_told(server: EmbeddedServer) -> None:
    with pytest.raises(PermanentError, match="there is no stream WFPOL"):
        await read(server)


async def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    gone = EmbeddedServer(tmp_path)
    with pytest.raises(TransientError, match="connect to nats://127"):
        await read(gone)
