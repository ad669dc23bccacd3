"""Whoever works on a key is alone, however many come, and whenever."""

import asyncio
from contextlib import suppress

from shared.worker.turns import Turns


class Work:
    """Counts who is at work on one key."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.busy = 0
        self.most = 0
        self.order: list[str] = []

    async def do(self, who: str, *, key: str = "a") -> None:
        async with self.turns.of(key):
            self.busy += 1
            self.most = max(self.most, self.busy)
            self.order.append(who)
            for _ in range(3):
                await asyncio.sleep(0)
            self.busy -= 1


async def test_one_who_comes_while_others_change_over_waits_too() -> None:
    work = Work()
    first, second, third = (asyncio.create_task(work.do(who)) for who in "123")
    await first
    late = asyncio.create_task(work.do("4"))

    await asyncio.gather(second, third, late)

    assert work.most == 1
    assert work.order == ["1", "2", "3", "4"]


async def test_keys_do_not_wait_for_each_other() -> None:
    work = Work()

    await asyncio.gather(work.do("1"), work.do("2", key="b"))

    assert work.most == 2


async def test_nothing_is_kept_of_who_has_gone() -> None:
    work = Work()
    tasks = [asyncio.create_task(work.do(str(number))) for number in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()

    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task

    assert work.order == ["0", "2"]
    assert len(work.turns) == 0
