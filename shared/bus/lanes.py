"""Lanes: one batch per key at a time, everything that waits for a key handled at once.

A retry keeps its lane: the messages are held in progress and handled again with whatever
came meanwhile, so order within a lane never changes.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Final

import nats.errors
import structlog
from nats.aio.msg import Msg

from shared.bus.answering import MAX_DELIVERIES, Forget, answer
from shared.bus.port import Delivery, Handler, LaneOf
from shared.errors import PermanentError
from shared.outcome import Ack, Outcome, Park, Retry

_PROGRESS_S: Final = 10.0

ParkMessage = Callable[[Msg, Park], Coroutine[None, None, None]]


class Lanes:
    """Runs a handler over the deliveries of one consumer."""

    def __init__(
        self, lane_of: LaneOf, handler: Handler, *, park: ParkMessage, tasks: asyncio.TaskGroup
    ) -> None:
        self._lane_of = lane_of
        self._handler = handler
        self._park = park
        self._tasks = tasks
        self._waiting: dict[str, list[Msg]] = defaultdict(list)
        self._running: set[str] = set()
        self._log = structlog.get_logger()

    def deliver(self, msg: Msg) -> None:
        """Put a message into its lane, or park it when it belongs to none."""
        delivery = to_delivery(msg)
        if delivery.deliveries > MAX_DELIVERIES:
            self._tasks.create_task(self._park(msg, Park(reason="TooManyDeliveries")))
            return
        try:
            lane = self._lane_of(delivery)
        except PermanentError as error:
            park = Park(reason=error.reason, message=str(error))
            self._tasks.create_task(self._park(msg, park))
            return
        self._waiting[lane].append(msg)
        if lane not in self._running:
            self._running.add(lane)
            self._tasks.create_task(self._run(lane))

    async def _run(self, lane: str) -> None:
        held: list[Msg] = []
        tries = 0
        try:
            while held or self._waiting[lane]:
                held += self._waiting.pop(lane, [])
                tries = max(tries + 1, *(to_delivery(msg).deliveries for msg in held))
                outcome = await self._handle(lane, held, tries)
                if isinstance(outcome, Retry):
                    await self._hold(held, outcome.after_s)
                    continue
                await self._finish(held, outcome)
                held, tries = [], 0
        finally:
            self._running.discard(lane)
            if not self._waiting.get(lane):
                self._waiting.pop(lane, None)

    async def _handle(self, lane: str, held: list[Msg], tries: int) -> Outcome | Forget:
        beating = asyncio.get_running_loop().create_task(_keep_in_progress(held))
        result: Outcome | Exception
        try:
            result = await self._handler(lane, [to_delivery(msg) for msg in held])
        except Exception as error:  # noqa: BLE001 - the one place where anything is answered
            result = error
        finally:
            beating.cancel()
        found = answer(result, tries=tries)
        if isinstance(result, Exception) and getattr(found, "reason", "") == "Crashed":
            self._log.error("handler crashed", lane=lane, exc_info=result)
        return found

    async def _hold(self, held: list[Msg], after_s: float) -> None:
        beating = asyncio.get_running_loop().create_task(_keep_in_progress(held))
        try:
            await asyncio.sleep(after_s)
        finally:
            beating.cancel()

    async def _finish(self, held: list[Msg], outcome: Outcome | Forget) -> None:
        for msg in held:
            match outcome:
                case Ack():
                    with contextlib.suppress(nats.errors.Error):
                        await msg.ack()
                case Park():
                    await self._park(msg, outcome)
                case _:
                    continue


async def _keep_in_progress(held: list[Msg]) -> None:
    while True:
        await asyncio.sleep(_PROGRESS_S)
        for msg in held:
            with contextlib.suppress(nats.errors.Error):
                await msg.in_progress()


def to_delivery(msg: Msg) -> Delivery:
    """Return a message as handlers see it."""
    metadata = msg.metadata
    return Delivery(
        subject=msg.subject,
        data=msg.data,
        headers=msg.headers or {},
        deliveries=metadata.num_delivered or 1,
        stream=metadata.stream,
        sequence=metadata.sequence.stream,
    )
