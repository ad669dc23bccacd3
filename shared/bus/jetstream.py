"""The bus port over nats-py. It connects when it can, and nobody waits for it.

Losing the server, its store or a stream only means that messages are missing: streams are
made again, pulls start over, and `on_reconnect` lets services walk what they may have missed.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

import nats
import nats.errors
import nats.js.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from shared.bus import streams
from shared.bus.lanes import Lanes, to_delivery
from shared.bus.port import Handler, LaneOf
from shared.bus.pull import PullLoop
from shared.clock import Clock
from shared.contracts import subjects
from shared.contracts.consumers import Consumer
from shared.contracts.subjects import Service
from shared.errors import TransientError
from shared.outcome import Park

FLOOR: Final = (2, 12, 7)
"""Older servers lack authorisation fixes."""
_ALREADY_QUEUED: Final = 10077
_PUBLISH_S: Final = 3.0
_PUBLISH_TRIES: Final = 3
_POLL_S: Final = 15.0
_RECONNECT_S: Final = 0.5


class JetStreamBus:
    """One connection of one service."""

    def __init__(
        self,
        url: str,
        *,
        name: str,
        service: Service,
        clock: Clock,
        credentials: str = "",
        on_parked: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Build it; `run` connects. `credentials` is the path of a credentials file."""
        self._url = url
        self._name = name
        self._service = service
        self._clock = clock
        self._credentials = credentials
        self._on_parked = on_parked
        self._nc = Client()
        self._loops: set[PullLoop] = set()
        self._listeners: list[Callable[[], None]] = []
        self._ready = asyncio.Event()
        self._changed = asyncio.Event()
        self._created: dict[str, str] = {}
        self._ensuring = asyncio.Lock()
        self._log = structlog.get_logger(service=str(service))

    @property
    def connected(self) -> bool:
        """Return whether publishing has a chance right now."""
        return self._nc.is_connected and self._ready.is_set()

    def on_reconnect(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever messages may have been missed."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Connect, and keep the streams in place, until cancelled."""
        try:
            await self._connect()
            while True:
                await self._tend()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), _POLL_S)
        finally:
            self._ready.clear()
            with contextlib.suppress(nats.errors.Error, TimeoutError):
                await asyncio.wait_for(self._nc.close(), _PUBLISH_S)

    async def publish(
        self, subject: str, data: bytes, *, headers: Mapping[str, str], message_id: str = ""
    ) -> None:
        """Publish and wait for the stream's answer; "already queued" counts as success."""
        sent = dict(headers) | ({"Nats-Msg-Id": message_id} if message_id else {})
        for attempt in range(_PUBLISH_TRIES):
            if not self.connected:
                break
            try:
                await self._nc.jetstream().publish(subject, data, timeout=_PUBLISH_S, headers=sent)
            except nats.js.errors.APIError as error:
                if error.err_code == _ALREADY_QUEUED:
                    return
                self._changed.set()
            except (nats.errors.Error, TimeoutError):
                self._changed.set()
            else:
                return
            await asyncio.sleep(0.05 * 2**attempt)
        raise TransientError("BusUnavailable", f"could not publish {subject}")

    async def schedule(self, subject: str, data: bytes, *, at: datetime) -> None:
        """Arm or replace the timer named by a `wf.tmr.set.` subject."""
        headers = {
            "Nats-Schedule": f"@at {at.isoformat().replace('+00:00', 'Z')}",
            "Nats-Schedule-Target": subjects.timer_target(subject),
            "Nats-Schedule-TTL": "1h",
        }
        await self.publish(subject, data, headers=headers)

    async def consume(self, consumer: Consumer, lane_of: LaneOf, handler: Handler) -> None:
        """Pull from a durable consumer and run `handler` lane by lane until cancelled."""
        await self._ready.wait()
        async with asyncio.TaskGroup() as tasks:
            lanes = Lanes(lane_of, handler, park=self._park, tasks=tasks)
            loop = PullLoop(
                self._nc,
                stream=consumer.stream,
                consumer=consumer.name,
                deliver=lanes.deliver,
                ensure=self._ensure,
                clock=self._clock,
                batch=consumer.batch,
                group=streams.PIN_GROUP if consumer.pinned else "",
            )
            self._loops.add(loop)
            try:
                await loop.run()
            finally:
                self._loops.discard(loop)

    async def _connect(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_PUBLISH_S):
                    await self._nc.connect(
                        self._url,
                        name=self._name,
                        max_reconnect_attempts=-1,
                        reconnect_time_wait=1,
                        connect_timeout=2,
                        ping_interval=10,
                        max_outstanding_pings=2,
                        pending_size=0,
                        allow_reconnect=True,
                        error_cb=self._on_error,
                        reconnected_cb=self._on_reconnected,
                        user_credentials=self._credentials or None,
                    )
            except (nats.errors.Error, TimeoutError, OSError) as error:
                self._log.debug("bus not reachable", error=repr(error))
                with contextlib.suppress(nats.errors.Error, TimeoutError, OSError):
                    await asyncio.wait_for(self._nc.close(), 1.0)
                self._nc = Client()
                await asyncio.sleep(_RECONNECT_S)
            else:
                self._refuse_old_server()
                return

    def _refuse_old_server(self) -> None:
        version = self._nc.connected_server_version
        if (version.major, version.minor, version.patch) < FLOOR:
            floor = ".".join(str(part) for part in FLOOR)
            message = f"nats-server {version} is too old; run {floor} or newer"
            raise RuntimeError(message)

    async def _tend(self) -> None:
        """Put streams in place, and say so when something may have been missed."""
        self._changed.clear()
        if not self._nc.is_connected:
            return
        try:
            await self._ensure()
        except TransientError as error:
            self._log.debug("streams not in place", error=str(error))

    async def _ensure(self) -> None:
        async with self._ensuring:
            names = ("WFEVT", "WFCMD", "WFTMR", "WFDLQ")
            found = {name: await streams.created_at(self._nc, name) for name in names}
            if self._ready.is_set() and found == self._created and all(found.values()):
                if not await self._consumers_missing():
                    return
            await streams.ensure(self._nc)
            self._created = {name: await streams.created_at(self._nc, name) for name in names}
            self._ready.set()
            self._log.info("streams in place")
            self._missed_something()

    async def _consumers_missing(self) -> bool:
        try:
            reply = await self._nc.request("$JS.API.STREAM.INFO.WFEVT", b"", timeout=_PUBLISH_S)
        except (nats.errors.Error, TimeoutError):
            return True
        state = json.loads(reply.data).get("state", {})
        return int(state.get("consumer_count", 0)) < streams.EVENT_CONSUMERS

    def _missed_something(self) -> None:
        for loop in self._loops:
            loop.kick.set()
        for listener in self._listeners:
            listener()

    async def _on_error(self, error: Exception) -> None:
        self._log.debug("bus error", error=repr(error))

    async def _on_reconnected(self) -> None:
        for loop in self._loops:
            loop.renew()
        self._changed.set()
        self._missed_something()

    async def _park(self, msg: Msg, park: Park) -> None:
        """Keep a message for a person, then take it out of delivery; both may repeat."""
        delivery = to_delivery(msg)
        uid = subjects.uid_of(msg.subject)
        headers = {key: value for key, value in delivery.headers.items() if key.startswith("ce-")}
        headers |= {
            "dlq-stream": delivery.stream,
            "dlq-seq": str(delivery.sequence),
            "dlq-consumer": str(self._service),
            "dlq-deliveries": str(delivery.deliveries),
            "dlq-error": " ".join(f"{park.reason}: {park.message}".split())[:256],
            "dlq-ts": self._clock.now().isoformat(),
            "dlq-subject": msg.subject,
        }
        try:
            await self.publish(
                subjects.parked(self._service, park.reason, uid), msg.data, headers=headers
            )
            await msg.respond(f"+TERM {park.reason}".encode())
        except (TransientError, nats.errors.Error):
            return
        self._on_parked(park.reason)
        self._log.warning("message parked", subject=msg.subject, reason=park.reason)
