"""What is in force for all does not wait behind what nobody knows yet."""

import asyncio

import msgspec

from shared.clock import SystemClock
from shared.policy.engine import WorkerEngine
from tests.support.rego import policy

ENDLESS = policy("allow if count([1 | some i in input.a; some j in input.a; i + j < 0]) == 0")


async def test_what_is_in_force_for_all_is_not_tried_apart_first() -> None:
    shared = msgspec.structs.replace(policy("allow := true"), is_shared=True)
    async with WorkerEngine(
        clock=SystemClock(), timeout_s=600, load_timeout_s=60, wait_s=20
    ) as engine:
        trying = asyncio.create_task(
            engine.decide(ENDLESS, {"a": list(range(20_000))}, tenant="unknown")
        )
        await asyncio.sleep(0)
        answered = await engine.decide(shared, {}, tenant="honest")
        assert not trying.done()
        trying.cancel()

    assert answered.allowed
