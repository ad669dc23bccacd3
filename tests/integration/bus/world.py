"""A bus on a server of its own, and what reads from it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

from nats.aio.client import Client

from shared.bus.embedded import EmbeddedServer
from shared.bus.jetstream import JetStreamBus
from shared.bus.port import Delivery, Handler
from shared.clock import SystemClock
from shared.contracts import bell, subjects
from shared.contracts.bell import Bell
from shared.contracts.consumers import Consumer
from shared.contracts.subjects import Fact, Service
from shared.errors import TransientError
from shared.ids import StepName, Uid
from shared.outcome import Ack, Outcome
from tests.support.seen import Seen

DEADLINE_S: Final = 60.0


class Reader:
    """A handler that acks and remembers."""

    def __init__(self) -> None:
        self.got: list[Delivery] = []

    async def __call__(self, _lane: str, deliveries: list[Delivery]) -> Outcome:
        self.got += deliveries
        return Ack()

    def has(self, uid: str) -> bool:
        return any(subjects.uid_of(delivery.subject) == uid for delivery in self.got)


class World:
    """One bus of one service, and how often it said that something was missed."""

    def __init__(self, server: EmbeddedServer, **options: Any) -> None:
        self.server = server
        self.missed = 0
        self.seen = Seen()
        self.bus = JetStreamBus(
            server.url,
            name="test",
            service=Service.MONITOR,
            clock=SystemClock(),
            observer=self.seen,
            **options,
        )
        self.bus.on_reconnect(self._miss)

    def _miss(self) -> None:
        self.missed += 1

    @asynccontextmanager
    async def reading(self, consumer: Consumer, handler: Handler) -> AsyncIterator[None]:
        """Read a consumer while the block lasts."""
        async with meanwhile(self.bus.consume(consumer, lane_of, handler)):
            yield

    async def fact(self, uid: str, *, data: bytes = b"", message_id: str = "") -> None:
        """Publish that an execution finished."""
        subject = subjects.event(Uid(uid), Service.EXECUTOR, Fact.FINISHED)
        await self.bus.publish(
            subject, data or body(uid), headers={"ce-id": uid}, message_id=message_id
        )

    async def command(self, uid: str) -> None:
        """Queue the order to run a step."""
        subject = subjects.command(Uid(uid), StepName("s"), "f1")
        await self.bus.publish(subject, body(uid), headers={})


@asynccontextmanager
async def meanwhile(work: Coroutine[None, None, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Do something while the block lasts; it must end soon after it is cancelled."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        ended, _ = await asyncio.wait([task], timeout=DEADLINE_S)
        assert ended, f"still running: {task}"
        if not task.cancelled():
            task.result()


@asynccontextmanager
async def running(server: EmbeddedServer, **options: Any) -> AsyncIterator[World]:
    """Run a bus while the block lasts, without waiting for its server."""
    world = World(server, **options)
    async with meanwhile(world.bus.run()):
        yield world


@asynccontextmanager
async def connected(server: EmbeddedServer, **options: Any) -> AsyncIterator[World]:
    """Run a bus and wait for its server."""
    async with running(server, **options) as world:
        await until(lambda: world.bus.connected)
        yield world


@asynccontextmanager
async def operator(server: EmbeddedServer) -> AsyncIterator[Client]:
    """A connection beside the bus, for what people and accidents do."""
    client = Client()
    await client.connect(server.url)
    try:
        yield client
    finally:
        await client.close()


async def ask(client: Client, api: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Call the server's API."""
    data = json.dumps(body).encode() if body else b""
    reply = await client.request(f"$JS.API.{api}", data, timeout=10)
    answer: dict[str, Any] = json.loads(reply.data)
    return answer


async def count(client: Client, stream: str) -> int:
    """Return how many messages a stream holds."""
    return int((await ask(client, f"STREAM.INFO.{stream}"))["state"]["messages"])


def lane_of(delivery: Delivery) -> str:
    return bell.decode(delivery.data).uid


def body(uid: str) -> bytes:
    return bell.encode(Bell(namespace="n", workflow="w", uid=Uid(uid)))


async def until(met: Callable[[], bool], *, told: str = "") -> None:
    """Wait until something holds; fail with what is told when it never does."""

    async def ask_it() -> bool:
        return met()

    try:
        await until_async(ask_it)
    except TimeoutError:
        raise AssertionError(told or "it never came") from None


async def until_async(met: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something that must be asked for holds."""
    async with asyncio.timeout(DEADLINE_S):
        while not await met():  # noqa: ASYNC110 - a test looks from outside
            await asyncio.sleep(0.02)


async def insist(act: Callable[[], Awaitable[None]]) -> None:
    """Do something again until the bus takes it."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                await act()
            except TransientError:
                await asyncio.sleep(0.05)
            else:
                return
