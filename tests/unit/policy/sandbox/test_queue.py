"""Who comes next."""

import asyncio

import pytest

from shared.policy.queue import FairQueue, OverloadedError


def queue(places: int = 1, **bounds: float) -> FairQueue:
    return FairQueue(
        places,
        longest=int(bounds.get("longest", 100)),
        longest_of_one=int(bounds.get("longest_of_one", 100)),
        wait_s=bounds.get("wait_s", 60),
    )


async def turn(line: FairQueue, tenant: str, seen: list[str]) -> None:
    async with line.place(tenant):
        seen.append(tenant)
        await asyncio.sleep(0)


async def all_waiting(line: FairQueue, count: int) -> None:
    async with asyncio.timeout(60):
        while line.waiting < count:  # noqa: ASYNC110 - a test looks from outside
            await asyncio.sleep(0)


async def test_tenants_take_turns() -> None:
    line, seen = queue(), list[str]()
    async with asyncio.TaskGroup() as group, line.place("first"):
        for tenant in "aaaaabbc":
            group.create_task(turn(line, tenant, seen))
        await all_waiting(line, 8)

    assert "".join(seen) == "abcabaaa"


async def test_who_waits_too_long_is_told() -> None:
    line = queue(wait_s=0.01)
    async with line.place("a"):
        with pytest.raises(OverloadedError):
            await turn(line, "b", [])

    assert line.waiting == 0
    await turn(line, "b", [])


@pytest.mark.parametrize(("bound", "tenant"), [("longest", "b"), ("longest_of_one", "a")])
async def test_no_more_wait_than_may(bound: str, tenant: str) -> None:
    line = queue(**{bound: 1})
    async with asyncio.TaskGroup() as group, line.place("x"):
        group.create_task(turn(line, "a", []))
        await all_waiting(line, 1)
        with pytest.raises(OverloadedError):
            await turn(line, tenant, [])


async def test_who_leaves_gives_the_place_on() -> None:
    line, seen = queue(), list[str]()
    async with asyncio.TaskGroup() as group:
        async with line.place("x"):
            leaves = group.create_task(turn(line, "a", seen))
            group.create_task(turn(line, "b", seen))
            await all_waiting(line, 2)
        leaves.cancel()

    assert seen == ["b"]
    await turn(line, "c", seen)


async def test_who_has_most_gives_way_where_too_many_wait() -> None:
    line, seen = queue(longest=4), list[str]()
    async with asyncio.TaskGroup() as group, line.place("x"):
        many = [asyncio.create_task(turn(line, "many", seen)) for _ in range(4)]
        await all_waiting(line, 4)
        group.create_task(turn(line, "one", seen))
        with pytest.raises(OverloadedError):
            await many[-1]

    await asyncio.gather(*many[:-1])
    assert seen == ["many", "one", "many", "many"]
    assert line.waiting == 0
    await turn(line, "x", seen)


async def test_nobody_gives_way_to_who_has_as_much() -> None:
    line, seen = queue(longest=2), list[str]()
    async with asyncio.TaskGroup() as group, line.place("x"):
        for tenant in "ab":
            group.create_task(turn(line, tenant, seen))
        await all_waiting(line, 2)
        with pytest.raises(OverloadedError):
            await turn(line, "a", seen)

    assert seen == ["a", "b"]
