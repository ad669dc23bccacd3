"""Waiting ends with the event, the time, or the cancellation, whatever else happens."""

import asyncio
import contextlib

import pytest

from shared.waiting import happened


async def test_an_event_ends_the_wait() -> None:
    event = asyncio.Event()
    asyncio.get_running_loop().call_soon(event.set)

    assert await happened(event, within_s=60)
    assert await happened(event, within_s=60)


async def test_time_ends_the_wait() -> None:
    assert not await happened(asyncio.Event(), within_s=0.001)


async def test_a_cancellation_in_the_same_turn_as_the_event_is_not_lost() -> None:
    event = asyncio.Event()
    waiting = asyncio.create_task(happened(event, within_s=60))
    await asyncio.sleep(0)

    event.set()
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_cancellation_that_was_swallowed_before_counts() -> None:
    async def swallow() -> bool:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return await happened(asyncio.Event(), within_s=60)

    waiting = asyncio.create_task(swallow())
    await asyncio.sleep(0)
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
