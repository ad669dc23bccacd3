"""Messages through a real server: what arrives, what is dropped, what is parked."""

import asyncio
import json
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from shared.bus.embedded import EmbeddedServer
from shared.bus.port import Delivery
from shared.clock import SystemClock
from shared.contracts import subjects
from shared.contracts.consumers import EXECUTOR, MONITOR, ORCHESTRATOR, TIMERS
from shared.contracts.subjects import Service
from shared.errors import PermanentError
from shared.ids import Uid
from shared.outcome import Ack, Outcome, Retry
from tests.integration.bus.world import (
    Reader,
    ask,
    body,
    connected,
    count,
    operator,
    until,
    until_async,
)


async def test_an_event_arrives_under_its_partition(server: EmbeddedServer) -> None:
    reader = Reader()
    async with connected(server) as world, world.reading(MONITOR, reader):
        await world.fact("u1")
        await until(lambda: reader.has("u1"))
    (got,) = reader.got
    event = subjects.parse_event(got.subject)
    assert event is not None
    assert (event.uid, event.service, event.fact) == ("u1", "exec", "finished")
    assert (got.stream, got.deliveries, got.headers["ce-id"]) == ("WFEVT", 1, "u1")


async def test_pinned_consumers_share_all_partitions(server: EmbeddedServer) -> None:
    reader = Reader()
    uids = {f"u{number}" for number in range(40)}
    async with connected(server) as world, AsyncExitStack() as stack:
        for consumer in ORCHESTRATOR:
            await stack.enter_async_context(world.reading(consumer, reader))
        for uid in sorted(uids):
            await world.fact(uid)
        await until(lambda: all(reader.has(uid) for uid in uids))


async def test_an_event_told_twice_is_stored_once(server: EmbeddedServer) -> None:
    async with connected(server) as world, operator(server) as client:
        await world.fact("u1", message_id="same")
        await world.fact("u1", message_id="same")
        assert await count(client, "WFEVT") == 1
        await world.fact("u1", message_id="other")
        assert await count(client, "WFEVT") == 2


async def test_a_command_waits_once_and_is_free_after_its_ack(server: EmbeddedServer) -> None:
    reader = Reader()
    async with connected(server) as world, operator(server) as client:
        await world.command("u1")
        await world.command("u1")
        assert await count(client, "WFCMD") == 1
        async with world.reading(EXECUTOR, reader):
            await until(lambda: len(reader.got) == 1)

            async def empty() -> bool:
                return await count(client, "WFCMD") == 0

            await until_async(empty)
            await world.command("u1")
            await until(lambda: len(reader.got) == 2)


async def test_what_waits_for_a_lane_is_handled_at_once(server: EmbeddedServer) -> None:
    batches: list[int] = []
    open_ = asyncio.Event()

    async def handle(_lane: str, deliveries: list[Delivery]) -> Outcome:
        batches.append(len(deliveries))
        await open_.wait()
        return Ack()

    async with (
        connected(server) as world,
        operator(server) as client,
        world.reading(MONITOR, handle),
    ):
        await world.fact("u1")
        await until(lambda: len(batches) == 1)
        for number in range(10):
            await world.fact("u1", message_id=str(number))

        async def delivered() -> bool:
            return bool((await ask(client, "CONSUMER.INFO.WFEVT.mon"))["num_pending"] == 0)

        await until_async(delivered)
        open_.set()
        await until(lambda: sum(batches) == 11)
    assert batches[0] == 1
    assert len(batches) < 11


async def test_retry_then_ack_is_one_delivery(server: EmbeddedServer) -> None:
    seen: list[int] = []

    async def handle(_lane: str, deliveries: list[Delivery]) -> Outcome:
        seen.append(deliveries[0].deliveries)
        return Ack() if len(seen) > 2 else Retry(reason="Waiting", after_s=0.05)

    async with (
        connected(server) as world,
        operator(server) as client,
        world.reading(MONITOR, handle),
    ):
        await world.fact("u1")

        async def answered() -> bool:
            info = await ask(client, "CONSUMER.INFO.WFEVT.mon")
            return len(seen) == 3 and info["num_ack_pending"] == 0

        await until_async(answered)
    assert seen == [1, 1, 1]


RUBBISH = {
    "not-json": b"\xff\xfe rubbish",
    "empty-object": b"{}",
    "wrong-type": b'{"namespace": 7, "workflow": [], "uid": "u"}',
    "deep": b"[" * 8000,
    "deep-in-an-ignored-field": b'{"namespace":"n","workflow":"w","uid":"u","x":'
    + b"[" * 3500
    + b"]" * 3500
    + b"}",
    "future": b'{"schema": 99, "namespace": "n", "workflow": "w", "uid": "u"}',
}


@pytest.mark.parametrize("name", sorted(RUBBISH))
async def test_rubbish_is_parked_and_the_rest_goes_on(server: EmbeddedServer, name: str) -> None:
    reader = Reader()
    data = RUBBISH[name]
    async with connected(server) as world, operator(server) as client:
        parked = world.seen.parked_for
        await world.fact("u1", data=data, message_id=name)
        await world.fact("u1")
        async with world.reading(MONITOR, reader):
            await until(lambda: reader.has("u1") and len(parked) == 1)

            async def answered() -> bool:
                info = await ask(client, "CONSUMER.INFO.WFEVT.mon")
                return bool(info["num_ack_pending"] == 0)

            await until_async(answered)
        reply = await client.request("$JS.API.DIRECT.GET.WFDLQ", b'{"seq":1}', timeout=5)
        advisories = await count(client, "WFADV")
    headers = reply.headers or {}
    assert headers["Nats-Subject"] == f"wf.dlq.mon.{parked[0]}.u1"
    assert parked[0] in {"Undecodable", "UnknownSchema"}
    assert headers["dlq-error"].startswith(parked[0])
    assert headers["dlq-consumer"] == "mon"
    assert headers["ce-id"] == "u1"
    assert data.startswith(reply.data)
    assert len(reply.data) == len(data) or headers["dlq-truncated"] == str(len(data))
    assert advisories == 1
    assert sorted(world.seen.told) == ["acked", "parked", "published", "published", "published"]


@pytest.mark.parametrize("size", [8192, 9000])
async def test_too_large_is_refused_and_hurts_nobody(server: EmbeddedServer, size: int) -> None:
    async with connected(server) as world:
        missed = world.missed
        with pytest.raises(PermanentError) as caught:
            await world.fact("u1", data=b"x" * size)
        assert caught.value.reason == "TooLarge"
        await world.fact("u1")
        assert world.missed == missed


async def test_a_timer_rings(server: EmbeddedServer) -> None:
    reader = Reader()
    subject = subjects.timer(Service.MONITOR, Uid("u1"), "deadline")
    async with connected(server) as world, world.reading(TIMERS[Service.MONITOR], reader):
        now = SystemClock().now()
        await world.bus.schedule(subject, body("u1"), at=now + timedelta(hours=1))
        await world.bus.schedule(subject, body("u1"), at=now + timedelta(seconds=0.3))
        await until(lambda: reader.has("u1"))
    assert [found.subject for found in reader.got] == [subjects.timer_target(subject)]
    assert json.loads(reader.got[0].data)["uid"] == "u1"
