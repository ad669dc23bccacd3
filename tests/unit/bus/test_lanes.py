"""Lanes with messages that have no server behind them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from nats.aio.msg import Msg

from shared.bus import lanes as module
from shared.bus.lanes import Lanes
from shared.bus.port import Delivery, Handler
from shared.errors import ContractError, FencedError, TransientError
from shared.outcome import Ack, Outcome, Park, Retry
from tests.support.seen import Seen
from tests.unit.bus.messages import FakeMsg, StillClock, until


def lane_of(delivery: Delivery) -> str:
    if delivery.data.startswith(b"bad"):
        raise ContractError("Undecodable", "no")
    return delivery.data.decode()


class World:
    """Lanes, and what came out of them."""

    def __init__(self) -> None:
        self.parked: list[tuple[Msg, str]] = []
        self.clock = StillClock()
        self.seen = Seen()

    async def park(self, msg: Msg, park: Park) -> None:
        self.parked.append((msg, park.reason))

    @asynccontextmanager
    async def lanes(self, handler: Handler) -> AsyncIterator[Lanes]:
        async with asyncio.TaskGroup() as tasks:
            yield Lanes(
                lane_of,
                handler,
                park=self.park,
                tasks=tasks,
                clock=self.clock,
                spread=lambda: 0.0,
                observer=self.seen,
            )


def outcomes(*given: Outcome | Exception) -> tuple[Handler, list[tuple[str, list[int]]]]:
    """Return a handler that ends as given, the last for ever, and what it was called with."""
    calls: list[tuple[str, list[int]]] = []

    async def handle(lane: str, deliveries: list[Delivery]) -> Outcome:
        calls.append((lane, [delivery.sequence for delivery in deliveries]))
        found = given[min(len(calls), len(given)) - 1]
        if isinstance(found, Exception):
            raise found
        return found

    return handle, calls


async def test_what_waits_is_handled_at_once() -> None:
    world = World()
    open_, calls = asyncio.Event(), []
    messages = [FakeMsg(b"a", sequence=number) for number in range(1, 5)]

    async def handle(lane: str, deliveries: list[Delivery]) -> Outcome:
        calls.append((lane, [delivery.sequence for delivery in deliveries]))
        await open_.wait()
        return Ack()

    async with world.lanes(handle) as lanes:
        lanes.deliver(messages[0])
        await until(lambda: len(calls) == 1)
        for message in messages[1:]:
            lanes.deliver(message)
        assert lanes.in_hand == 4
        open_.set()
    assert calls == [("a", [1]), ("a", [2, 3, 4])]
    assert [message.answers for message in messages] == [["ack"]] * 4
    assert lanes.in_hand == 0


async def test_lanes_do_not_wait_for_each_other() -> None:
    both = asyncio.Barrier(2)

    async def handle(_lane: str, _: list[Delivery]) -> Outcome:
        await both.wait()
        return Ack()

    async with asyncio.timeout(10), World().lanes(handle) as lanes:
        lanes.deliver(FakeMsg(b"a"))
        lanes.deliver(FakeMsg(b"b", sequence=2))


async def test_retry_stays_in_place_and_takes_along_what_came() -> None:
    world = World()
    first, second = FakeMsg(b"a"), FakeMsg(b"a", sequence=2)
    handle, calls = outcomes(Retry(reason="Waiting", after_s=0.02), Ack())
    async with world.lanes(handle) as lanes:
        lanes.deliver(first)
        await until(lambda: len(calls) == 1)
        lanes.deliver(second)
    assert calls == [("a", [1]), ("a", [1, 2])]
    assert first.answers == second.answers == ["ack"]
    assert world.seen.told == ["retried", "acked", "acked"]


@pytest.mark.parametrize(
    ("after_s", "passed_s"), [(module.HOLD_S + 1, 0.0), (5.0, module.HOLD_TOTAL_S)]
)
async def test_a_long_retry_is_given_back(after_s: float, passed_s: float) -> None:
    world, message = World(), FakeMsg(b"a")

    async def handle(_lane: str, _: list[Delivery]) -> Outcome:
        world.clock.at += passed_s
        return Retry(reason="Waiting", after_s=after_s)

    async with world.lanes(handle) as lanes:
        lanes.deliver(message)
    assert message.answers == [f"nak {after_s}"]


async def test_a_message_nobody_can_read_is_parked_alone() -> None:
    world = World()
    bad, good = FakeMsg(b"bad"), FakeMsg(b"a", sequence=2)
    handle, calls = outcomes(Ack())
    async with world.lanes(handle) as lanes:
        lanes.deliver(bad)
        lanes.deliver(good)
    assert world.parked == [(bad, "Undecodable")]
    assert calls == [("a", [2])]
    assert good.answers == ["ack"]


async def test_too_many_deliveries_are_parked_before_they_are_handled() -> None:
    world, message = World(), FakeMsg(b"a", deliveries=9)
    handle, calls = outcomes(Ack())
    async with world.lanes(handle) as lanes:
        lanes.deliver(message)
    assert world.parked == [(message, "TooManyDeliveries")]
    assert world.seen.told == ["redelivered", "parked"]
    assert calls == []


async def test_a_crash_is_tried_again_and_then_parked() -> None:
    world, message = World(), FakeMsg(b"a")
    handle, calls = outcomes(ZeroDivisionError())
    async with world.lanes(handle) as lanes:
        lanes.deliver(message)
    assert len(calls) == 9
    assert world.seen.told == [*["crashed"] * 8, "parked"]
    assert world.parked == [(message, "Crashed")]


async def test_an_expected_failure_is_never_given_up() -> None:
    message = FakeMsg(b"a")
    handle, calls = outcomes(*[TransientError("Busy")] * 20, Ack())
    async with World().lanes(handle) as lanes:
        lanes.deliver(message)
    assert len(calls) == 21
    assert message.answers == ["ack"]


async def test_fenced_answers_nothing() -> None:
    world, message = World(), FakeMsg(b"a")
    handle, _ = outcomes(FencedError("Fenced"))
    async with world.lanes(handle) as lanes:
        lanes.deliver(message)
    assert message.answers == []
    assert world.seen.told == ["fenced"]


async def test_long_work_is_kept_in_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROGRESS_S", 0.0)
    message = FakeMsg(b"a")

    async def handle(_lane: str, _: list[Delivery]) -> Outcome:
        await until(lambda: message.answers.count("progress") > 2)
        return Ack()

    async with World().lanes(handle) as lanes:
        lanes.deliver(message)
    assert message.answers[-1] == "ack"


async def test_cancelling_gives_back_what_was_in_hand() -> None:
    world = World()
    held, waiting = FakeMsg(b"a"), FakeMsg(b"a", sequence=2)
    began = asyncio.Event()

    async def handle(_lane: str, _: list[Delivery]) -> Outcome:
        began.set()
        await asyncio.Event().wait()
        return Ack()

    async with world.lanes(handle) as lanes:
        lanes.deliver(held)
        await began.wait()
        lanes.deliver(waiting)
        lanes.stop()
        lanes.abort()
    await lanes.release()
    assert held.answers == waiting.answers == ["nak None"]


async def test_stopping_ends_a_wait_in_place() -> None:
    message = FakeMsg(b"a")
    handle, calls = outcomes(Retry(reason="Waiting", after_s=60))
    ended: Callable[[], bool] = lambda: bool(calls)  # noqa: E731 - read by `until`
    async with asyncio.timeout(10), World().lanes(handle) as lanes:
        lanes.deliver(message)
        await until(ended)
        lanes.stop()
    assert message.answers == ["nak 60"]
