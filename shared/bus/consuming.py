"""One durable consumer being read: a pull loop that feeds lanes, and how it ends."""

import asyncio
from collections.abc import Awaitable, Callable

from nats.aio.client import Client

from shared.bus.lanes import Lanes, ParkMessage
from shared.bus.observing import BusObserver
from shared.bus.port import Handler, LaneOf
from shared.bus.pull import PullLoop
from shared.bus.streams import PIN_GROUP
from shared.clock import Clock
from shared.contracts.consumers import Consumer


class Consumption:
    """Reads one consumer until stopped or cancelled."""

    def __init__(
        self,
        consumer: Consumer,
        lane_of: LaneOf,
        handler: Handler,
        *,
        client: Callable[[], Client],
        ensure: Callable[[], Awaitable[object]],
        park: ParkMessage,
        clock: Clock,
        spread: Callable[[], float],
        observer: BusObserver,
    ) -> None:
        self._tasks = asyncio.TaskGroup()
        self._lanes = Lanes(
            lane_of,
            handler,
            park=park,
            tasks=self._tasks,
            clock=clock,
            spread=spread,
            observer=observer,
            on_free=self.kick,
        )
        self._loop = PullLoop(
            client,
            stream=consumer.stream,
            consumer=consumer.name,
            deliver=self._lanes.deliver,
            ensure=ensure,
            clock=clock,
            batch=consumer.batch,
            group=PIN_GROUP if consumer.pinned else "",
            in_hand=lambda: self._lanes.in_hand,
        )

    async def run(self) -> None:
        """Read until stopped and all lanes have ended, or until cancelled."""
        try:
            async with self._tasks:
                await self._loop.run()
                self._lanes.stop()
        finally:
            # Cancelled or not: what nobody handled goes to another replica at once.
            await self._lanes.release()

    def kick(self) -> None:
        """Look again whether to pull."""
        self._loop.kick.set()

    def renew(self) -> None:
        """Start over: the connection was lost in between."""
        self._loop.renew()

    def stop(self) -> None:
        """Take nothing new; what is being handled may end."""
        self._loop.stop()
        self._lanes.stop()

    def abort(self) -> None:
        """Cancel what is being handled."""
        self._lanes.abort()
