"""The bus after its server, its store, a stream or a consumer was lost."""

import asyncio
from pathlib import Path

import pytest

from shared.bus import streams
from shared.bus.embedded import EmbeddedServer
from shared.bus.jetstream import JetStreamBus
from shared.bus.port import Delivery
from shared.clock import SystemClock
from shared.contracts.consumers import ALL, EXECUTOR, MONITOR, Consumer
from shared.contracts.subjects import Service
from shared.errors import TransientError
from shared.outcome import Ack, Outcome, Retry
from tests.integration.bus.world import (
    Reader,
    World,
    ask,
    connected,
    insist,
    lane_of,
    meanwhile,
    operator,
    running,
    until,
    until_async,
)


async def test_ensure_may_run_often_and_at_once(server: EmbeddedServer) -> None:
    async with operator(server) as one, operator(server) as two:
        refused = await asyncio.gather(
            streams.ensure(one), streams.ensure(two), streams.ensure(one)
        )
        assert not any(refused)
        before = await streams.survey(one)
        assert streams.is_complete(before)
        assert sum(stream.consumers for stream in before.values()) == len(ALL)
        assert await streams.ensure(one) == []
        assert await streams.survey(one) == before
        for config in streams.streams():
            live = (await ask(one, f"STREAM.INFO.{config['name']}"))["config"]
            assert live | config | {"metadata": live["metadata"]} == live


async def test_ensure_repairs_drift_and_respects_size(server: EmbeddedServer) -> None:
    async with operator(server) as client:
        await streams.ensure(client)
        config = (await ask(client, "STREAM.INFO.WFEVT"))["config"]
        changed = config | {"max_age": 3600 * 10**9, "max_bytes": 512 * 1024 * 1024}
        assert "error" not in await ask(client, "STREAM.UPDATE.WFEVT", changed)
        assert await streams.ensure(client) == []
        after = (await ask(client, "STREAM.INFO.WFEVT"))["config"]
        assert after["max_age"] == config["max_age"]
        assert after["max_bytes"] == 512 * 1024 * 1024


async def test_a_bus_starts_before_its_server(tmp_path: Path) -> None:
    reader = Reader()
    server = EmbeddedServer(tmp_path / "nats")
    async with running(server) as world, world.reading(MONITOR, reader):
        await asyncio.sleep(0.2)
        assert not world.bus.connected
        with pytest.raises(TransientError):
            await world.fact("u1")
        with server:
            await until(lambda: world.bus.connected)
            assert world.missed == 1
            await world.fact("u1")
            await until(lambda: reader.has("u1"))


@pytest.mark.parametrize("wiped", [False, True])
async def test_a_killed_server_comes_back(server: EmbeddedServer, *, wiped: bool) -> None:
    reader = Reader()
    async with connected(server) as world, world.reading(MONITOR, reader):
        await world.fact("u1")
        await until(lambda: reader.has("u1"))
        missed = world.missed
        server.kill()
        await until(lambda: not world.bus.connected)
        with pytest.raises(TransientError):
            await world.fact("u2")
        if wiped:
            server.wipe()
        server.start()
        await until(lambda: world.missed > missed)
        await insist(lambda: world.fact("u3"))
        await until(lambda: reader.has("u3"))
        assert not reader.has("u2")
        async with operator(server) as client:
            assert streams.is_complete(await streams.survey(client))


@pytest.mark.parametrize("consumer", [MONITOR, EXECUTOR], ids=lambda found: found.name)
async def test_a_deleted_consumer_is_made_again(server: EmbeddedServer, consumer: Consumer) -> None:
    reader = Reader()
    async with (
        connected(server) as world,
        operator(server) as client,
        world.reading(consumer, reader),
    ):
        missed = world.missed
        await ask(client, f"CONSUMER.DELETE.{consumer.stream}.{consumer.name}")
        await until(lambda: world.missed > missed)
        await world.fact("u1")
        await world.command("u1")
        await until(lambda: reader.has("u1"))


@pytest.mark.parametrize("stream", ["WFEVT", "WFDLQ"])
async def test_a_deleted_stream_is_made_again(
    server: EmbeddedServer, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.bus.jetstream._POLL_S", 0.5)
    reader = Reader()
    async with (
        connected(server) as world,
        operator(server) as client,
        world.reading(MONITOR, reader),
    ):
        missed = world.missed
        await ask(client, f"STREAM.DELETE.{stream}")
        await until(lambda: world.missed > missed)
        await insist(lambda: world.fact("u1"))
        await until(lambda: reader.has("u1"))


async def test_a_closed_connection_is_replaced(server: EmbeddedServer) -> None:
    reader = Reader()
    async with connected(server) as world, world.reading(MONITOR, reader):
        missed = world.missed
        await world.bus._client().close()
        await until(lambda: world.missed > missed)
        await insist(lambda: world.fact("u1"))
        await until(lambda: reader.has("u1"))


async def test_without_the_right_to_create_it_waits(server: EmbeddedServer) -> None:
    async with running(server, create_streams=False) as world:
        await until(lambda: world.bus._connection.connected)
        await asyncio.sleep(0.2)
        assert not world.bus.connected
        async with operator(server) as client:
            assert await streams.survey(client) == {}
            await streams.ensure(client)
        await until(lambda: world.bus.connected)


async def test_a_regressed_sequence_is_noticed(server: EmbeddedServer) -> None:
    async with connected(server) as world, operator(server) as client:
        for number in range(3):
            await world.fact("u1", message_id=str(number))
        missed = world.missed
        world.bus._highest["WFEVT"] = 100
        await world.fact("u2")
        assert world.missed == missed + 1
        await world.fact("u3")
        assert world.missed == missed + 1
        assert client.is_connected


async def test_draining_ends_what_began_and_gives_back_the_rest(server: EmbeddedServer) -> None:
    began, open_, ended = asyncio.Event(), asyncio.Event(), []

    async def handle(lane: str, _: list[Delivery]) -> Outcome:
        if lane == "later":
            return Retry(reason="Waiting", after_s=60)
        began.set()
        await open_.wait()
        ended.append(lane)
        return Ack()

    async with (
        connected(server) as world,
        meanwhile(world.bus.consume(MONITOR, lane_of, handle)) as reading,
    ):
        await world.fact("later")
        await world.fact("now")
        await until(began.is_set)
        asyncio.get_running_loop().call_later(0.1, open_.set)
        await world.bus.drain(grace_s=30)
        assert ended == ["now"]
        await until(reading.done)


async def test_cancelling_gives_messages_back_at_once(server: EmbeddedServer) -> None:
    reader, began = Reader(), asyncio.Event()

    async def hang(_lane: str, _: list[Delivery]) -> Outcome:
        began.set()
        await asyncio.Event().wait()
        return Ack()

    async with connected(server) as world, world.reading(MONITOR, hang):
        await world.fact("u1")
        await until(began.is_set)
    async with connected(server) as world, world.reading(MONITOR, reader):
        # Well before the server's own redelivery.
        async with asyncio.timeout(25):
            await until(lambda: reader.has("u1"))
    assert reader.got[0].deliveries == 2


async def test_too_old_a_server_is_refused(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.bus.connection.FLOOR", (99, 0, 0))
    world = World(server)
    async with asyncio.timeout(30):
        with pytest.raises(RuntimeError, match=r"run 99\.0\.0 or newer"):
            await world.bus.run()
    assert world.bus.fatal


async def test_in_flight_is_bounded_by_the_batch(server: EmbeddedServer) -> None:
    working, most, open_ = 0, 0, asyncio.Event()

    async def handle(_lane: str, _: list[Delivery]) -> Outcome:
        nonlocal working, most
        working += 1
        most = max(most, working)
        await open_.wait()
        working -= 1
        return Ack()

    async with connected(server) as world, world.reading(EXECUTOR, handle):
        for number in range(EXECUTOR.batch + 10):
            await world.command(f"u{number}")
        await until(lambda: working == EXECUTOR.batch)
        await asyncio.sleep(0.3)
        assert most == EXECUTOR.batch
        open_.set()

        async with operator(server) as client:

            async def empty() -> bool:
                info = await ask(client, "STREAM.INFO.WFCMD")
                return bool(info["state"]["messages"] == 0)

            await until_async(empty)


def test_a_port_in_use_is_not_taken_for_ours(server: EmbeddedServer, tmp_path: Path) -> None:
    port = int(server.url.rsplit(":", 1)[1])
    with pytest.raises(RuntimeError, match="did not start"):
        EmbeddedServer(tmp_path / "other", port=port).start()


async def test_restart_keeps_what_was_stored(server: EmbeddedServer) -> None:
    async with connected(server) as world:
        await world.fact("u1")
    server.restart()
    bus = JetStreamBus(server.url, name="t", service=Service.MONITOR, clock=SystemClock())
    assert not bus.connected
    async with operator(server) as client:
        info = await ask(client, "STREAM.INFO.WFEVT")
    assert info["state"]["messages"] == 1
