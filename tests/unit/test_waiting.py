"""Waiting ends with the event, the time, or the cancellation, whatever else happens."""

import asyncio
import contextlib

import pytest

from shared.waiting import happened, heeded


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


async def test_a_library_that_swallows_a_cancellation_does_not_keep_it() -> None:
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    asking = asyncio.create_task(heeded(asyncio.wait_for(answer, 60)))  # noqa: TID251 - as libraries do
    await asyncio.sleep(0)

    answer.set_result("published")
    asking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_what_is_not_cancelled_returns_its_result() -> None:
    assert await heeded(asyncio.sleep(0, "published")) == "published"
