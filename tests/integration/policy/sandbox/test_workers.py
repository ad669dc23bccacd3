"""Workers that lie, babble, hang, die or never start, and what that costs their parent."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.policy import worker_process
from shared.policy.engine import WorkerEngine
from shared.policy.port import Failure, Policy
from shared.policy.worker_channel import Channel
from shared.policy.worker_process import LostError, WorkerProcess
from tests.support.processes import children, descriptors, no_descriptors, resident, until
from tests.support.rego import policy

MOST_BYTES = 200 * 1024 * 1024
SPEAKS = """
import os, time
def say(text, many=1):
    os.write(1, (len(text).to_bytes(4, "big") + text) * many)
def hear():
    size = int.from_bytes(os.read(0, 4), "big")
    while size:
        size -= len(os.read(0, size))
"""
LIARS = {
    "answers another question": 'hear(); say(b\'{"id":2,"value":"true"}\')',
    "answers without a number": 'hear(); say(b\'{"value":"true"}\')',
    "answers twice": 'hear(); say(b\'{"id":1,"value":"true"}\', 2); time.sleep(600)',
    "says too much at once": 'hear(); os.write(1, b"\\x7f" * 200_000); time.sleep(600)',
    "says too much": 'hear(); os.write(1, b"\\x00\\x02\\x00\\x00"); time.sleep(600)',
    "says what is no answer": "hear(); say(b'[true]'); time.sleep(600)",
    "says what is no value": 'hear(); say(b\'{"id":1,"value":true}\'); time.sleep(600)',
    "says what is not JSON": "hear(); say(b'{\"id\":1,'); time.sleep(600)",
    "closes its mouth": "hear(); os.close(1); time.sleep(600)",
    "ends in the middle": 'hear(); os.write(1, b"\\x00\\x00\\x00\\x10{")',
    "ends": "hear()",
}


def program(text: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", SPEAKS + text]


@pytest.mark.parametrize("text", LIARS.values(), ids=LIARS.keys())
async def test_who_says_what_no_worker_says_is_killed_and_not_believed(text: str) -> None:
    worker = WorkerProcess(Channel(program(text)), most_bytes=MOST_BYTES)
    worker._kept["a"] = ""

    async def asked() -> None:
        # What is said twice is not noticed before the second question, at the latest.
        for _ in range(2):
            await worker.run("a", b"{}", tenant="t", within_s=60)

    with pytest.raises(LostError):
        await asked()

    assert not worker.alive
    await worker.gone()
    assert worker.pid not in children()


async def test_who_speaks_without_being_asked_is_killed() -> None:
    channel = Channel(program("say(b'{}'); time.sleep(600)"))

    async with asyncio.timeout(60):
        await channel.gone()

    assert not channel.is_open


async def test_row_82_a_worker_that_is_stopped_is_killed_and_not_held_against_the_policy() -> None:
    async with WorkerEngine(clock=SystemClock(), wait_s=60, load_timeout_s=1) as engine:
        asked = policy("allow := true")
        await engine.decide(asked, {}, tenant="t")
        stopped = engine.pids
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)

        verdicts = [await engine.decide(asked, {}, tenant="t") for _ in stopped]

        assert {verdict.failure for verdict in verdicts} <= {Failure.TIMEOUT, None}
        assert Failure.TIMEOUT in {verdict.failure for verdict in verdicts}
        while not (verdict := await engine.decide(asked, {}, tenant="t")).allowed:
            assert verdict.failure is Failure.TIMEOUT


async def test_a_worker_that_is_killed_at_work_is_an_answer_and_replaced() -> None:
    endless = policy(
        "allow if count([1 | some i in input.a; some j in input.a; some k in input.a]) < 0"
    )
    async with WorkerEngine(
        clock=SystemClock(), workers=1, timeout_s=600, wait_s=60, load_timeout_s=60
    ) as engine:
        await engine.decide(policy("allow := true"), {}, tenant="t")
        asked = asyncio.create_task(engine.decide(endless, {"a": list(range(3000))}, tenant="bad"))
        while not asked.done():
            for pid in engine.pids:
                os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.3)
        after = await engine.decide(policy("allow := true"), {}, tenant="t")

    assert (await asked).failure in {Failure.CRASH, Failure.OVERLOADED}
    assert after.allowed


async def test_nothing_is_left_of_five_hundred_that_were_killed() -> None:
    first = Channel(program("time.sleep(600)"))
    first.kill()
    await first.gone()
    before, held, others = descriptors(), resident(), children()

    for _ in range(500):
        channel = Channel(["/bin/cat"])
        channel.kill()
        await channel.gone()

    assert descriptors() == before
    assert children(but=others) == []
    assert resident() < held + 16 * 1024 * 1024


async def test_nothing_is_left_of_workers_that_were_killed_again_and_again() -> None:
    others = children()
    async with WorkerEngine(clock=SystemClock(), wait_s=60, load_timeout_s=20) as engine:
        await engine.decide(policy("allow := true"), {}, tenant="t")
        for _ in range(10):
            for pid in engine.pids:
                os.kill(pid, signal.SIGKILL)
            await engine.decide(policy("allow := true"), {}, tenant="t")
        await until(lambda: len(engine.pids) == len(children(but=others)) >= 3)
        workers, held = len(engine.pids), descriptors()
    # Two pipes for each, and what the system says of it.
    assert descriptors() == held - 3 * workers
    assert children(but=others) == []


async def test_row_73_no_descriptor_left_is_no_answer_and_passes() -> None:
    others = children()
    async with WorkerEngine(clock=SystemClock(), wait_s=0.5, load_timeout_s=60) as engine:
        with no_descriptors():
            refused = await engine.decide(policy("allow := true"), {}, tenant="t")

        assert (refused.allowed, refused.failure) == (False, Failure.OVERLOADED)
        assert "no worker can be started" in refused.reasons[0]
        assert "Too many open files" in refused.reasons[0]
        async with asyncio.timeout(60):
            while not (await engine.decide(policy("allow := true"), {}, tenant="t")).allowed:
                pass
        assert len(children(but=others)) <= 3
    assert children(but=others) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("#!/bin/sh\nexec sleep 600\n", "no worker becomes ready: PolicyTimeout"),
        ("#!/bin/sh\nexit 1\n", "no worker becomes ready: PolicyCrash"),
        ("#!/bin/sh\nexec yes\n", "no worker becomes ready: PolicyCrash"),
        ("#!/nowhere\n", "No such file or directory"),
        ('#!/bin/sh\nprintf \'\\000\\000\\000\\030{"id":0,"error":"sorry"}\'\n', "sorry"),
    ],
    ids=["hangs", "ends", "babbles", "is not there", "is not fit"],
)
async def test_row_73_workers_that_never_start_are_no_answer_and_cost_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, why: str
) -> None:
    broken = tmp_path / "python"
    broken.write_text(text)
    broken.chmod(0o755)
    sound, others = sys.executable, children()
    monkeypatch.setattr(worker_process, "_START_S", 0.2)
    monkeypatch.setattr(sys, "executable", str(broken))

    async with WorkerEngine(clock=SystemClock(), wait_s=3) as engine:
        verdict = await engine.decide(policy("allow := true"), {}, tenant="t")
        started = children(but=others)
        monkeypatch.setattr(worker_process, "_START_S", 60.0)
        monkeypatch.setattr(sys, "executable", sound)
        async with asyncio.timeout(60):
            while not (await engine.decide(policy("allow := true"), {}, tenant="t")).allowed:
                pass

    assert (verdict.allowed, verdict.failure) == (False, Failure.OVERLOADED)
    assert why in verdict.reasons[0]
    assert len(started) <= 3
    assert children(but=others) == []


async def test_a_policy_that_nobody_else_uses_makes_room_for_those_of_its_tenant() -> None:
    async with WorkerEngine(
        clock=SystemClock(), workers=1, timeout_s=20, wait_s=60, load_timeout_s=60
    ) as engine:
        ours = policy("allow := true")
        for tenant in ("a", "b"):
            assert (await engine.decide(ours, {}, tenant=tenant)).allowed
        for number in range(60):
            theirs = Policy(
                name="theirs", package=ours.package, module=f"{ours.module}n := {number}\n"
            )
            assert (await engine.decide(theirs, {}, tenant="many")).allowed

        kept = [each.keeps(ours.digest) for each in engine._usual._pool._living]

    assert any(kept)
