"""Measures the policy engine beside an interpreter in this process, without any sandbox.

Starts nothing but its workers. Prints a table; asserts nothing.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from regopy import Interpreter
from rich.console import Console

from shared.clock import SystemClock
from shared.policy.engine import WorkerEngine
from shared.policy.port import Policy
from shared.policy.worker_rego import Compiled
from tests.perf import neighbours
from tests.perf.figures import Figure, Report, p50_and_p99, to_table
from tests.support.rego import PACKAGE, policy

EVALUATIONS: Final = 2000
WORKERS: Final = 2
AT_ONCE: Final = 8
ROUNDS: Final = 3
"""Of what a hostile workflow costs others, each with a new one."""
MEASURED: Final = policy(
    "default allow := false\n"
    "allow if { input.deployment_found; input.running_pods >= input.target_replicas }\n"
    "error_message := sprintf("
    '"%s in %s is not ready", [input.deployment_name, input.namespace]) if not allow'
)
INPUT: Final[dict[str, Any]] = {
    "deployment_found": True,
    "deployment_name": "web",
    "namespace": "shop",
    "running_pods": 5,
    "target_replicas": 5,
    "pods": [{"name": f"web-{number}", "status": "Running"} for number in range(5)],
}


def main() -> int:
    """Print what was measured; return the exit code."""
    figures = asyncio.run(measured())
    report = Report(workflows=EVALUATIONS, concurrency=AT_ONCE, steps=1, figures=figures)
    table = to_table(report)
    table.title = f"{EVALUATIONS} evaluations, {WORKERS} workers"
    Console().print(table)
    return 0


async def measured() -> list[Figure]:
    """Return latency and throughput of the engine, beside the interpreter's own."""
    own, compiled = _in_process(), _compiled_in_process()
    async with WorkerEngine(clock=SystemClock(), workers=WORKERS) as engine:
        for _ in range(AT_ONCE):
            await _many(engine, AT_ONCE)
        ours = [await _one(engine, MEASURED) for _ in range(EVALUATIONS)]
        new = [await _one(engine, _another(number)) for number in range(EVALUATIONS // 10)]
        began = time.perf_counter()
        await asyncio.gather(*(_many(engine, EVALUATIONS // AT_ONCE) for _ in range(AT_ONCE)))
        per_second = EVALUATIONS / (time.perf_counter() - began)
    beside = await _beside()
    first = [_first(_another(number)) for number in range(EVALUATIONS // 10)]
    kept, new_kept = "a kept interpreter in this process", "a new interpreter in this process"
    return [
        *p50_and_p99("policy", ours, own, raw_means=kept),
        *p50_and_p99(
            "policy, beside its program",
            ours,
            compiled,
            raw_means="what a worker does, in this process",
        ),
        *p50_and_p99("policy, first time", new, first, raw_means=new_kept),
        *beside,
        Figure(
            name="policies",
            unit="evaluations/s",
            measured=per_second,
            raw=len(own) / sum(own),
            raw_means=f"{kept}, one at a time",
        ),
    ]


async def _beside() -> list[Figure]:
    """Return what fifty honest workflows wait beside a hostile one, and without it."""
    async with WorkerEngine(clock=SystemClock(), workers=WORKERS, wait_s=60) as engine:
        rounds = [
            await neighbours.measured(engine, number=number, seconds=5) for number in range(ROUNDS)
        ]
    return p50_and_p99(
        "policy, beside a hostile workflow",
        [each for waits in rounds for each in waits.beside],
        [each for waits in rounds for each in waits.alone],
        raw_means=f"the same {neighbours.HONEST} workflows without it",
    )


def _in_process() -> Sequence[float]:
    interpreter = Interpreter()
    interpreter.add_module("m", MEASURED.module)
    return [_asked(interpreter) for _ in range(EVALUATIONS)]


def _compiled_in_process() -> Sequence[float]:
    """Return what a worker takes for the same, without a message to it and back."""
    kept = Compiled(msgspec.structs.asdict(MEASURED))
    took: list[float] = []
    for _ in range(EVALUATIONS):
        began = time.perf_counter()
        kept.evaluated(INPUT)
        took.append(time.perf_counter() - began)
    return took


def _first(made: Policy) -> float:
    began = time.perf_counter()
    interpreter = Interpreter()
    interpreter.add_module("m", made.module)
    _asked(interpreter)
    return time.perf_counter() - began


def _asked(interpreter: Interpreter) -> float:
    began = time.perf_counter()
    interpreter.set_input(INPUT)
    interpreter.query(f"x = data.{PACKAGE}.allow")
    return time.perf_counter() - began


def _another(number: int) -> Policy:
    module = f"{MEASURED.module}\nnumber := {number}\n"
    return Policy(name=f"another {number}", package=PACKAGE, module=module)


async def _one(engine: WorkerEngine, made: Policy) -> float:
    began = time.perf_counter()
    verdict = await engine.decide(made, INPUT, tenant="bench")
    if not verdict.allowed:
        raise RuntimeError(f"{made.name}: {verdict.reasons}")
    return time.perf_counter() - began


async def _many(engine: WorkerEngine, count: int) -> None:
    for _ in range(count):
        await _one(engine, MEASURED)


if __name__ == "__main__":
    sys.exit(main())
