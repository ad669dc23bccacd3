"""What honest workflows wait for their policies, with a hostile one beside them and without.

Both are measured in one run, in turns, since machines differ and are noisy.
"""

import asyncio
import random  # noqa: TID251 - seeded, so that a run can be repeated
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

from shared.policy.engine import WorkerEngine
from shared.policy.port import Policy
from tests.perf.figures import percentile
from tests.support.rego import PACKAGE, policy

HONEST: Final = 50
"""Workflows."""
_PAUSE_S: Final = 1.0
"""Between two evaluations of one workflow, on average."""
_ATTACKS_AT_ONCE: Final = 8
_ATTACK_PAUSE_S: Final = 0.01
_INPUT: Final[dict[str, Any]] = {
    "deployment_found": True,
    "running_pods": 5,
    "target_replicas": 5,
    "pods": [{"name": f"web-{number}", "status": "Running"} for number in range(5)],
}
_ASKED: Final = tuple(
    policy(
        "default allow := false\n"
        f"allow if {{ input.deployment_found; input.running_pods >= {number} }}\n"
    )
    for number in range(5)
)
_MEMBERS: Final = list(range(3000))
_ATTACKS: Final = (
    "allow if count([1 | some i in input.a; some j in input.a; i + j < 0]) == 0",
    "x := [[i, j, input.a] | some i in input.a; some j in input.a]\nallow if count(x) == 0",
    "allow if " + "1+" * 30_000 + "1 > 0",
    "allow if input.a[0] == 0",
    "allow if walk(input)",
)
"""Never ends, eats memory, crashes what compiles it, floods, and floods with what is refused."""


class Waits(NamedTuple):
    """How long honest evaluations took, in seconds, from the question to the answer."""

    alone: list[float]
    beside: list[float]
    """With a hostile workflow beside them."""

    @property
    def ratio(self) -> float:
        """Return how many times the 99th percentile grows."""
        return percentile(self.beside, 0.99) / percentile(self.alone, 0.99)


async def measured(engine: WorkerEngine, *, number: int, seconds: float) -> Waits:
    """Return waits of one round; each has a hostile workflow that nobody knows yet.

    Raises:
        RuntimeError: an honest policy did not allow.
    """
    await _honest(engine, seconds=0.5)
    alone = await _honest(engine, seconds=seconds)
    async with _attacked(engine, number):
        beside = await _honest(engine, seconds=seconds)
    return Waits(alone, beside)


async def _honest(engine: WorkerEngine, *, seconds: float) -> list[float]:
    chance = random.Random(1)  # noqa: S311 - nothing is kept secret by it
    ends = time.perf_counter() + seconds
    waits: list[float] = []

    async def workflow(number: int) -> None:
        while time.perf_counter() < ends:
            await asyncio.sleep(chance.uniform(0, 2 * _PAUSE_S))
            began = time.perf_counter()
            verdict = await engine.decide(
                chance.choice(_ASKED), _INPUT, tenant=f"shop/honest-{number}"
            )
            waits.append(time.perf_counter() - began)
            if not verdict.allowed:
                raise RuntimeError(f"an honest policy was refused: {verdict.reasons}")

    async with asyncio.TaskGroup() as group:
        for number in range(HONEST):
            group.create_task(workflow(number))
    return waits


@asynccontextmanager
async def _attacked(engine: WorkerEngine, number: int) -> AsyncIterator[None]:
    """Have one workflow ask policies that do harm, each of them new, many at a time."""

    async def attack(part: int) -> None:
        turn = 0
        while True:
            turn += 1
            text = _ATTACKS[(part + turn) % len(_ATTACKS)]
            made = policy(f"{text}\nnumber := [{number}, {part}, {turn}]")
            asked = Policy(name="hostile", package=PACKAGE, module=made.module)
            await engine.decide(asked, {"a": _MEMBERS}, tenant=f"shop/hostile-{number}")
            await asyncio.sleep(_ATTACK_PAUSE_S)

    tasks = [asyncio.create_task(attack(part)) for part in range(_ATTACKS_AT_ONCE)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
