"""Whether a policy can be used is found out also where a worker does not get on."""

import os
import signal

from shared.clock import SystemClock
from shared.policy.engine import WorkerEngine
from tests.support.rego import policy


async def test_workers_that_do_not_get_on_are_no_defect_of_a_policy() -> None:
    async with WorkerEngine(
        clock=SystemClock(), workers=1, timeout_s=2, load_timeout_s=1, wait_s=30
    ) as engine:
        assert await engine.defects(policy("allow := true")) == ()
        for pid in engine.pids:
            os.kill(pid, signal.SIGSTOP)

        assert await engine.defects(policy("allow := false")) == ()


async def test_one_that_never_loads_in_time_cannot_be_used() -> None:
    async with WorkerEngine(clock=SystemClock(), workers=1, load_timeout_s=0, wait_s=30) as engine:
        first = await engine.defects(policy("allow := true"))
        second = await engine.defects(policy("allow := true"))

    assert first == ("took longer than it may",)
    assert second[0].startswith("the policy ran out of bounds too often")
