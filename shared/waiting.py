"""Waiting for an event, or for some time to pass, without losing a cancellation.

`asyncio.wait_for` must not be used for it: on Python 3.11 it returns as if nothing had been
asked when the event comes in the same turn as the cancellation, and the loop around it goes on
for ever.
"""

import asyncio


async def happened(event: asyncio.Event, *, within_s: float) -> bool:
    """Wait for an event and return whether it came within this many seconds.

    Raises:
        CancelledError: when cancelled now, or before by a call that swallowed it. A client
            library may use `wait_for`; a loop that comes by here ends all the same.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
    try:
        async with asyncio.timeout(within_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
