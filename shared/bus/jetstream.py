"""The bus port over nats-py. It connects when it can, and nobody waits for it.

Losing the server, its store or a stream only means that messages are missing: streams are
made again, pulls start over, and `on_reconnect` lets services walk what they may have missed.
"""

import asyncio
import contextlib
import random  # noqa: TID251 - spreads waits, decides nothing
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

import structlog
from nats.aio.client import Client

from shared.bus import streams
from shared.bus.connection import Connection
from shared.bus.consuming import Consumption
from shared.bus.errors import LIBRARY, is_already_queued, translate
from shared.bus.observing import BusObserver, NoObserver
from shared.bus.parking import Parker
from shared.bus.port import Handler, LaneOf
from shared.bus.sizing import wire_size
from shared.clock import Clock
from shared.contracts import subjects
from shared.contracts.consumers import Consumer
from shared.contracts.subjects import Service
from shared.errors import CannotStartError, MendflowError, PermanentError, TransientError
from shared.waiting import happened, heeded

_PUBLISH_S: Final = 5.0
_PUBLISH_TRY_S: Final = 2.0
_PUBLISH_TRIES: Final = 3
_POLL_S: Final = 15.0
_RETRY_S: Final = 1.0
_RELEASE_S: Final = 1.0


def _spread() -> float:
    return random.uniform(0.5, 1.5)  # noqa: S311 - jitter only


class JetStreamBus:
    """One connection of one service."""

    def __init__(
        self,
        servers: str,
        *,
        name: str,
        service: Service,
        clock: Clock,
        credentials: str = "",
        create_streams: bool = True,
        replicas: int = 1,
        observer: BusObserver | None = None,
        spread: Callable[[], float] = _spread,
    ) -> None:
        """Build it; `run` connects.

        Args:
            servers: one URL, or several with commas between them.
            name: what the server calls this connection.
            service: whose inbox and whose parked messages.
            clock: stamps and waits.
            credentials: the path of a credentials file.
            create_streams: whether this service may create streams and consumers.
            replicas: copies of each stream when one is created.
            observer: is told of every message.
            spread: what waits are multiplied by, around 1.
        """
        self._clock = clock
        self._create_streams = create_streams
        self._replicas = replicas
        self._observer = observer or NoObserver()
        self._spread = spread
        self._changed = asyncio.Event()
        self._connection = Connection(
            servers,
            name=name,
            service=service,
            credentials=credentials,
            spread=spread,
            on_change=self._changed.set,
        )
        self._parker = Parker(
            self.publish, service=service, clock=clock, on_parked=self._observer.parked
        )
        self._consumptions: set[Consumption] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._listeners: list[Callable[[], None]] = []
        self._ready = asyncio.Event()
        self._seen: dict[str, str] = {}
        self._highest: dict[str, int] = {}
        self._ensuring = asyncio.Lock()
        self._log = structlog.get_logger(service=str(service))
        self.fatal = ""
        """Why this server must not be used; `run` has then ended."""

    @property
    def connected(self) -> bool:
        """Return whether publishing has a chance right now."""
        return self._connection.connected and self._ready.is_set()

    def on_reconnect(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever messages may have been missed."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Connect, and keep the streams in place, until cancelled.

        Raises:
            CannotStartError: when the server is too old to be trusted.
        """
        try:
            while True:
                if self._connection.closed:
                    await self._connection.open()
                self._changed.clear()
                wait = _POLL_S if await self._tend() else _RETRY_S * self._spread()
                await happened(self._changed, within_s=wait)
        finally:
            # Consumers cancelled with us give back what they hold; that needs the connection.
            await self._consumptions_gone(_RELEASE_S)
            self._ready.clear()
            await self._connection.close()

    async def drain(self, *, grace_s: float) -> None:
        """Take nothing new, let lanes end within `grace_s`, give back the rest."""
        for consumption in self._consumptions:
            consumption.stop()
        await self._consumptions_gone(grace_s)
        for consumption in self._consumptions:
            consumption.abort()
        await self._consumptions_gone(_RELEASE_S)

    async def publish(
        self, subject: str, data: bytes, *, headers: Mapping[str, str], message_id: str = ""
    ) -> None:
        """Publish and wait for the stream's answer; "already queued" counts as success.

        Raises:
            TransientError: when it could not be confirmed in time; it may be stored or not.
            PermanentError: when it is larger than the server takes.
        """
        sent = dict(headers) | ({"Nats-Msg-Id": message_id} if message_id else {})
        size, limit = wire_size(data, sent), self._client().max_payload
        if size > limit:
            raise PermanentError("TooLarge", f"{subject}: {size} bytes, {limit} are taken")
        try:
            async with asyncio.timeout(_PUBLISH_S):
                await self._publish(subject, data, sent)
        except TimeoutError as error:
            self._changed.set()
            raise translate(error, doing=subject) from error
        self._observer.published()

    async def schedule(self, subject: str, data: bytes, *, at: datetime) -> None:
        """Arm or replace the timer named by a `wf.tmr.set.` subject. Raises TransientError."""
        headers = {
            "Nats-Schedule": f"@at {at.isoformat().replace('+00:00', 'Z')}",
            "Nats-Schedule-Target": subjects.timer_target(subject),
            "Nats-Schedule-TTL": "1h",
        }
        await self.publish(subject, data, headers=headers)

    async def consume(self, consumer: Consumer, lane_of: LaneOf, handler: Handler) -> None:
        """Pull from a durable consumer and run `handler` lane by lane until cancelled.

        Also returns after `drain`. A `lane_of` that raises parks that message alone.
        """
        await self._ready.wait()
        consumption = Consumption(
            consumer,
            lane_of,
            handler,
            client=self._client,
            ensure=lambda: self._ensure(consumer),
            park=self._parker.park,
            clock=self._clock,
            spread=self._spread,
            observer=self._observer,
        )
        self._consumptions.add(consumption)
        self._idle.clear()
        try:
            await consumption.run()
        finally:
            self._consumptions.discard(consumption)
            if not self._consumptions:
                self._idle.set()

    def _client(self) -> Client:
        return self._connection.client

    async def _publish(self, subject: str, data: bytes, headers: dict[str, str]) -> None:
        failed: MendflowError = TransientError("BusUnavailable", f"{subject}: not connected")
        for attempt in range(_PUBLISH_TRIES):
            if not self.connected:
                break
            before = dict(self._highest)
            try:
                ack = await heeded(
                    self._client()
                    .jetstream()
                    .publish(subject, data, timeout=_PUBLISH_TRY_S, headers=dict(headers))
                )
            except LIBRARY as error:
                if is_already_queued(error):
                    return
                failed = translate(error, doing=subject)
                if isinstance(failed, PermanentError):
                    break
                self._changed.set()
                await asyncio.sleep(0.05 * 2**attempt * self._spread())
            else:
                if not ack.duplicate:
                    self._compare(ack.stream, ack.seq, before.get(ack.stream, 0))
                return
        raise failed

    def _compare(self, stream: str, sequence: int, before: int) -> None:
        """Notice a store that went back: it lost messages it had confirmed."""
        if sequence > before:
            self._highest[stream] = max(sequence, self._highest.get(stream, 0))
            return
        self._log.warning("sequence went back", stream=stream, now=sequence, before=before)
        self._highest[stream] = sequence
        self._missed_something()

    async def _tend(self) -> bool:
        """Put streams in place, and say so when something may have been missed."""
        self.fatal = self._connection.problem()
        if self.fatal:
            self._log.error("bus refused", problem=self.fatal)
            raise CannotStartError(self.fatal)
        if not self._connection.connected:
            return True
        was_lost, self._connection.was_lost = self._connection.was_lost, False
        if was_lost:
            for consumption in self._consumptions:
                consumption.renew()
        try:
            told = await self._ensure()
        except TransientError as error:
            self._connection.was_lost |= was_lost
            self._log.debug("streams not in place", error=str(error))
            return False
        if was_lost and not told:
            self._missed_something()
        return True

    async def _ensure(self, consumer: Consumer | None = None) -> bool:
        """Make sure that streams are there; return whether listeners were told of a loss."""
        async with self._ensuring:
            client = self._client()
            found = await streams.survey(client)
            complete = streams.is_complete(found) and (
                consumer is None or await streams.has_consumer(client, consumer)
            )
            if not complete or not self._ready.is_set():
                found = await self._create(client, found)
            seen = {name: stream.created for name, stream in found.items()}
            if complete and self._ready.is_set() and seen == self._seen:
                return False
            self._seen = seen
            self._ready.set()
            self._log.info("streams in place")
            self._missed_something()
            return True

    async def _create(
        self, client: Client, found: dict[str, streams.Seen]
    ) -> dict[str, streams.Seen]:
        if not self._create_streams:
            if streams.is_complete(found):
                return found
            raise TransientError("BusIncomplete", "streams or consumers are missing")
        for refusal in await streams.ensure(client, replicas=self._replicas):
            self._log.warning("bus refused a change", problem=refusal)
        return await streams.survey(client)

    def _missed_something(self) -> None:
        for consumption in self._consumptions:
            consumption.kick()
        for listener in self._listeners:
            listener()

    async def _consumptions_gone(self, within_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._idle.wait()
