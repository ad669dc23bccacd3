"""Lanes: one batch per key at a time, everything that waits for a key handled at once.

A retry keeps its lane: the messages are held in progress and handled again with whatever
came meanwhile, so order within a lane never changes. Only after minutes of that are they
given back, delayed, so that a stuck lane does not keep its places for ever.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable
from typing import Final

import structlog
from nats.aio.msg import Msg

from shared.bus.answering import MAX_DELIVERIES, Answer, Forget, answer
from shared.bus.delivering import to_delivery
from shared.bus.errors import LIBRARY
from shared.bus.observing import BusObserver, result_of
from shared.bus.port import Handler, LaneOf
from shared.clock import Clock
from shared.outcome import Ack, Outcome, Park, Retry
from shared.waiting import happened

PROGRESS_S: Final = 10.0
"""A third of the time after which the server gives an unanswered message to somebody else."""
HOLD_S: Final = 90.0
"""The longest single wait in place: the largest back-off, with its spread."""
HOLD_TOTAL_S: Final = 600.0
"""How long messages are retried in place before they are given back."""

ParkMessage = Callable[[Msg, Park], Coroutine[None, None, None]]


class Lanes:
    """Runs a handler over the deliveries of one consumer."""

    def __init__(
        self,
        lane_of: LaneOf,
        handler: Handler,
        *,
        park: ParkMessage,
        tasks: asyncio.TaskGroup,
        clock: Clock,
        spread: Callable[[], float],
        observer: BusObserver,
        on_free: Callable[[], None] = lambda: None,
    ) -> None:
        self._lane_of = lane_of
        self._handler = handler
        self._park = park
        self._tasks = tasks
        self._clock = clock
        self._spread = spread
        self._observer = observer
        self._on_free = on_free
        self._waiting: dict[str, list[Msg]] = {}
        self._held: dict[str, list[Msg]] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._left: list[Msg] = []
        self._stopping = asyncio.Event()
        self._log = structlog.get_logger()

    @property
    def in_hand(self) -> int:
        """Return how many messages are here and not answered."""
        lists = (*self._waiting.values(), *self._held.values())
        return sum(len(messages) for messages in lists)

    def deliver(self, msg: Msg) -> None:
        """Put a message into its lane, or answer it here when it belongs to none."""
        delivery = to_delivery(msg)
        if delivery.deliveries > 1:
            self._observer.redelivered()
        if delivery.deliveries > MAX_DELIVERIES:
            self._answer_alone(msg, Park(reason="TooManyDeliveries"))
            return
        try:
            lane = self._lane_of(delivery)
        except Exception as error:  # noqa: BLE001 - a message nobody can read stops no other
            found = answer(error, tries=delivery.deliveries, spread=self._spread())
            self._tell_crash(error, found, lane="")
            self._answer_alone(msg, found)
            return
        self._waiting.setdefault(lane, []).append(msg)
        if lane not in self._running and not self._stopping.is_set():
            self._running[lane] = self._tasks.create_task(self._run(lane))

    def stop(self) -> None:
        """Start nothing new; what is being handled may end."""
        self._stopping.set()

    def abort(self) -> None:
        """Cancel what is being handled."""
        for task in self._running.values():
            task.cancel()

    async def release(self) -> None:
        """Give back what was not handled, so that another replica gets it at once."""
        left = [*self._left, *(msg for messages in self._waiting.values() for msg in messages)]
        self._left.clear()
        self._waiting.clear()
        for msg in left:
            await self._answer(msg, Retry(reason="Released", after_s=0.0))

    async def _run(self, lane: str) -> None:
        held = self._held[lane] = []
        try:
            while self._waiting.get(lane) and not self._stopping.is_set():
                await self._work_off(lane, held)
        finally:
            # Nothing may be awaited here: this runs when we are cancelled, too.
            self._left += held
            del self._held[lane], self._running[lane]
            self._on_free()

    async def _work_off(self, lane: str, held: list[Msg]) -> None:
        """Handle what waits in a lane, again and again, until it can be answered."""
        began, tries = self._clock.monotonic(), 0
        while True:
            held += self._waiting.pop(lane, [])
            tries = max(tries + 1, *(to_delivery(msg).deliveries for msg in held))
            found = await self._handle(lane, held, tries)
            if not isinstance(found, Retry) or not self._may_hold(found, began):
                break
            await self._hold(held, found.after_s)
        while held:
            await self._answer(held[0], found)
            del held[0]
        self._on_free()

    def _may_hold(self, retry: Retry, began: float) -> bool:
        held_s = self._clock.monotonic() - began
        fits = retry.after_s <= HOLD_S and held_s + retry.after_s <= HOLD_TOTAL_S
        return fits and not self._stopping.is_set()

    async def _handle(self, lane: str, held: list[Msg], tries: int) -> Answer:
        beating = self._tasks.create_task(_keep_in_progress(held))
        began = self._clock.monotonic()
        result: Outcome | Exception
        try:
            result = await self._handler(lane, [to_delivery(msg) for msg in held])
        except Exception as error:  # noqa: BLE001 - the one place where anything is answered
            result = error
        finally:
            beating.cancel()
        found = answer(result, tries=tries, spread=self._spread())
        self._tell_crash(result, found, lane=lane)
        for _ in held:
            self._observer.handled(result_of(found), seconds=self._clock.monotonic() - began)
        return found

    def _tell_crash(self, result: Outcome | Exception, found: Answer, *, lane: str) -> None:
        if isinstance(result, Exception) and getattr(found, "reason", "") == "Crashed":
            self._log.error("handler crashed", lane=lane, exc_info=result)

    async def _hold(self, held: list[Msg], after_s: float) -> None:
        beating = self._tasks.create_task(_keep_in_progress(held))
        try:
            # Stopping ends the wait: the messages are then given back with their delay.
            await happened(self._stopping, within_s=after_s)
        finally:
            beating.cancel()

    def _answer_alone(self, msg: Msg, found: Answer) -> None:
        self._observer.handled(result_of(found), seconds=0.0)
        self._tasks.create_task(self._answer(msg, found))

    async def _answer(self, msg: Msg, found: Answer) -> None:
        with contextlib.suppress(*LIBRARY):
            match found:
                case Ack():
                    await msg.ack()
                case Retry(after_s=after_s):
                    await msg.nak(delay=after_s or None)
                case Park():
                    await self._park(msg, found)
                case Forget():
                    pass


async def _keep_in_progress(held: Iterable[Msg]) -> None:
    while True:
        await asyncio.sleep(PROGRESS_S)
        for msg in tuple(held):
            with contextlib.suppress(*LIBRARY):
                await msg.in_progress()
