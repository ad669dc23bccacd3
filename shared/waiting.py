"""Waiting for an event, or for some time to pass, without losing a cancellation.

`asyncio.wait_for` must not be used for it: on Python 3.11 it returns as if nothing had been
asked when the event comes in the same turn as the cancellation, and the loop around it goes on
for ever.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def happened(event: asyncio.Event, *, within_s: float) -> bool:
    """Wait for an event and return whether it came within this many seconds.

    Raises:
        CancelledError: when cancelled now, or before by a call that swallowed it. A client
            library may use `wait_for`; a loop that comes by here ends all the same.
    """
    _heed_cancellation()
    try:
        async with asyncio.timeout(within_s):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def heeded(call: Awaitable[T]) -> T:
    """Await a call of a library that may swallow a cancellation, and return its result.

    Raises:
        CancelledError: when cancelled meanwhile, also if the call returned as if nothing had
            been asked.
    """
    result = await call
    _heed_cancellation()
    return result


def _heed_cancellation() -> None:
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
