"""Row 82: what nobody should write is refused or killed, and the next one is answered."""

import asyncio
import os
import signal

import pytest

from shared.clock import SystemClock
from shared.policy.engine import WorkerEngine
from shared.policy.port import Failure
from tests.support.hostile import HOSTILE, Hostile
from tests.support.processes import held_by, is_alive, said_of, until
from tests.support.rego import policy


def computes(pid: int) -> bool:
    """Return whether a process has used the processor for longer than it takes to start."""
    used = said_of(pid, "stat").rpartition(")")[2].split()[11]
    return int(used) > 50


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda each: each.name)
async def test_row_82_a_hostile_policy_does_no_harm(engine: WorkerEngine, hostile: Hostile) -> None:
    verdict = await engine.decide(hostile.policy, hostile.data, tenant="bad")
    after = await engine.decide(policy("allow := true"), {}, tenant="good")

    assert not verdict.allowed
    assert verdict.failure in hostile.ends
    assert all(verdict.reasons)
    assert after.allowed


async def test_memory_is_watched() -> None:
    rules = "x := [[i, j, input.a] | some i in input.a; some j in input.a]\nallow if count(x) == 0"

    async with WorkerEngine(clock=SystemClock(), timeout_s=60, wait_s=60) as engine:
        verdict = await engine.decide(policy(rules), {"a": list(range(4000))}, tenant="t")

    assert verdict.failure is Failure.MEMORY


async def test_a_worker_that_died_is_replaced(engine: WorkerEngine) -> None:
    join = next(each for each in HOSTILE if each.name == "join")
    await engine.decide(policy("allow := true"), {}, tenant="t")

    for _ in range(3):
        await engine.decide(join.policy, join.data, tenant="t")
    verdict = await engine.decide(policy("allow := true"), {}, tenant="t")

    assert verdict.allowed
    # The three that are always there; one more came if it was seen to do harm.
    await until(lambda: len(engine.pids) >= 3)


async def test_row_82_a_policy_that_takes_too_long_rests(engine: WorkerEngine) -> None:
    join = next(each for each in HOSTILE if each.name == "join")
    failures: list[Failure | None] = []

    # A machine that is too busy to let it compute does not count against it.
    while Failure.QUARANTINED not in failures:
        verdict = await engine.decide(join.policy, join.data, tenant="t")
        failures.append(verdict.failure)
        assert len(failures) < 20

    assert set(failures[:-1]) == {Failure.TIMEOUT}
    assert len(failures) > 3


async def test_who_is_no_longer_awaited_is_killed() -> None:
    join = next(each for each in HOSTILE if each.name == "join")
    async with WorkerEngine(
        clock=SystemClock(), workers=1, timeout_s=600, load_timeout_s=20
    ) as engine:
        await engine.decide(policy("allow := true"), {}, tenant="t")
        asked = asyncio.create_task(engine.decide(join.policy, join.data, tenant="t"))
        await until(lambda: any(map(computes, engine.pids)))
        busy = next(filter(computes, engine.pids))
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

        await until(lambda: not is_alive(busy))


async def test_nothing_is_left_when_the_engine_is_closed() -> None:
    async with WorkerEngine(clock=SystemClock()) as engine:
        await engine.decide(policy("allow := true"), {}, tenant="t")
        pids = engine.pids

    assert pids
    assert not any(map(is_alive, pids))


async def test_a_worker_has_no_environment_and_no_descriptors(engine: WorkerEngine) -> None:
    await engine.decide(policy("allow := true"), {}, tenant="t")

    for pid in engine.pids:
        names = {each.partition("=")[0] for each in said_of(pid, "environ").split("\0")}
        held = held_by(pid)
        assert names <= {"", "LC_CTYPE"}
        assert {each for each in held if not each.startswith("pipe:")} == {"/dev/null"}
        assert len(held) == 3


async def test_an_idle_worker_that_is_killed_is_replaced(engine: WorkerEngine) -> None:
    await until(lambda: len(engine.pids) == 3)
    before = engine.pids

    for pid in before:
        os.kill(pid, signal.SIGKILL)
    await until(lambda: len(engine.pids) == 3 and not set(before) & set(engine.pids))

    assert (await engine.decide(policy("allow := true"), {}, tenant="t")).allowed


async def test_workers_that_cannot_start_are_no_answer() -> None:
    engine = WorkerEngine(clock=SystemClock(), wait_s=0.1)

    verdict = await engine.decide(policy("allow := true"), {}, tenant="t")

    assert verdict.failure is Failure.OVERLOADED


async def test_a_full_queue_is_an_answer(engine: WorkerEngine) -> None:
    asked = [engine.decide(policy("allow := true"), {}, tenant="t") for _ in range(300)]

    verdicts = await asyncio.gather(*asked)

    assert {verdict.failure for verdict in verdicts} == {None, Failure.OVERLOADED}


async def test_a_busy_tenant_does_not_keep_others_out(engine: WorkerEngine) -> None:
    busy = [
        asyncio.create_task(engine.decide(policy("allow := true"), {}, tenant="busy"))
        for _ in range(60)
    ]
    await asyncio.sleep(0)

    verdict = await engine.decide(policy("allow := true"), {}, tenant="other")

    assert verdict.allowed
    assert not all(task.done() for task in busy)
    await asyncio.gather(*busy)


async def test_bytes_that_no_text_can_hold_are_refused(engine: WorkerEngine) -> None:
    verdict = await engine.decide(policy('allow := "\ud800"'), {}, tenant="t")

    assert verdict.failure is Failure.REFUSED
