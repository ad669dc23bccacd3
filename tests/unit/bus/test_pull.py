"""The pull loop without a server behind it."""

import asyncio

from nats.aio.client import Client
from nats.errors import ConnectionClosedError

from shared.bus.pull import PullLoop
from tests.unit.bus.messages import StillClock


def _away() -> Client:
    raise ConnectionClosedError


async def _there() -> None:
    return


async def test_a_kick_does_not_hide_a_cancellation() -> None:
    loop = PullLoop(
        _away,
        stream="WFEVT",
        consumer="mon",
        deliver=lambda _: None,
        ensure=_there,
        clock=StillClock(),
        batch=8,
    )
    running = asyncio.create_task(loop.run())
    await asyncio.sleep(0.01)

    loop.kick.set()
    running.cancel()

    done, _ = await asyncio.wait([running], timeout=10)
    assert done == {running}
    assert running.cancelled()
