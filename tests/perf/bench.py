"""Measures Mendflow beside the raw servers, in one run, since machines differ and are noisy.

Starts a control plane, a NATS server and the six services, each in a process of its own and
without a request limit. Prints a table and writes JSON; asserts nothing.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from deploy.local.cluster import LocalCluster
from shared.bus.embedded import EmbeddedServer
from shared.clock import SystemClock
from shared.kube.client import ApiCluster
from tests.perf import draining, policies
from tests.perf.figures import Figure, Report, p50_and_p99, percentile, to_json, to_table
from tests.perf.load import Load
from tests.perf.neighbours import HONEST
from tests.perf.observed import Bystander
from tests.perf.raw import RawApi, deliveries
from tests.perf.workload import BURST_LIMIT, BURST_STEPS, STEPS
from tests.support.api_metrics import our_writes
from tests.support.namespaces import empty_namespace
from tests.support.servers import install
from tests.support.services import Services

_TOLD = Console(stderr=True)
WRITES_TO_EFFECT: Final = 6
"""Workflow, plan, grant, execution, claim, effect."""
MESSAGES_TO_EFFECT: Final = 3
"""Created, planned, ordered."""
NEIGHBOUR_TURNS: Final = 3
MESSAGES_TO_HAND_OFF: Final = 2
"""Finished, judged."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="mendflow-bench-") as folder:
        report = _run(options, Path(folder))
    Console().print(to_table(report))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_bytes(to_json(report))
    _TOLD.print(f"written: {options.json}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.perf.bench", description=__doc__)
    parser.add_argument("--workflows", type=int, default=100, help="how many under load (100)")
    parser.add_argument("--concurrency", type=int, default=10, help="how many at a time (10)")
    parser.add_argument("--idle", type=int, default=25, help="how many one after another (25)")
    parser.add_argument("--json", type=Path, default=Path("out/bench.json"), help="where to write")
    return parser


def _run(options: argparse.Namespace, folder: Path) -> Report:
    _TOLD.print("starting a control plane, a NATS server and six services")
    with LocalCluster(folder / "cluster") as cluster, EmbeddedServer(folder / "nats") as nats:
        install(cluster.kubeconfig)
        measured = empty_namespace(cluster, "bench")
        raw = empty_namespace(cluster, "bench-raw")
        services = Services(
            kubeconfig=cluster.kubeconfig,
            nats_url=nats.url,
            namespace=measured.namespace,
            logs=folder / "logs",
        )
        with services:
            services.wait_connected()
            bench = Bench(options, writes=lambda: our_writes(measured))
            spaces = (measured.namespace, raw.namespace)
            return asyncio.run(bench.run(cluster.kubeconfig, nats.url, *spaces))


class Bench:
    """One run: idle latencies, then load, each beside what the raw servers need."""

    def __init__(self, options: argparse.Namespace, *, writes: Callable[[], float]) -> None:
        self._idle: int = options.idle
        self._workflows: int = options.workflows
        self._concurrency: int = options.concurrency
        self._writes = writes

    async def run(self, kubeconfig: Path, nats_url: str, measured: str, raw: str) -> Report:
        """Measure everything and return the report."""
        cluster = await ApiCluster.connect(
            kubeconfig=str(kubeconfig),
            field_manager="bench",
            qps=0,
            burst=1,
            clock=SystemClock(),
        )
        async with cluster, Bystander(cluster, measured) as seen:
            mendflow = Load(cluster, measured, seen)
            bare = RawApi(cluster, raw)
            await mendflow.one("warm-up")
            await bare.workflow("warm-up")
            figures = await self._measure_idle(mendflow, bare, nats_url)
            figures += await self._measure_load(mendflow, bare)
            figures += await self._measure_burst(mendflow, seen)
            _TOLD.print("policies, in the sandbox and without")
            figures += await policies.measured()
            _TOLD.print(f"a node of {draining.PODS} pods, drained")
            figures += await draining.measured(cluster, raw)
            # Last, since the hostile one goes on.
            figures += await self._measure_neighbours(mendflow)
        return Report(
            workflows=self._workflows,
            concurrency=self._concurrency,
            steps=STEPS,
            figures=figures,
        )

    async def _measure_idle(self, mendflow: Load, bare: RawApi, nats_url: str) -> list[Figure]:
        _TOLD.print(f"{self._idle} workflows, one after another")
        for number in range(self._idle):
            await mendflow.one(f"idle-{number}")
        _TOLD.print("the same writes by a bare client, and bare messages")
        rows = [await bare.workflow(f"idle-{number}") for number in range(self._idle)]
        messages = await deliveries(nats_url, 20 * self._idle)
        message = percentile(messages, 0.5)
        to_effect = [sum(row[:WRITES_TO_EFFECT]) + MESSAGES_TO_EFFECT * message for row in rows]
        to_next = [sum(row[6:9]) + MESSAGES_TO_HAND_OFF * message for row in rows]
        return [
            *p50_and_p99(
                "apply to first effect",
                mendflow.to_effect(),
                to_effect,
                raw_means=f"{WRITES_TO_EFFECT} writes and {MESSAGES_TO_EFFECT} messages in a row",
            ),
            *p50_and_p99(
                "step to step",
                mendflow.hand_offs(),
                to_next,
                raw_means=f"3 writes and {MESSAGES_TO_HAND_OFF} messages in a row",
            ),
            *p50_and_p99("one write", [each for row in rows for each in row], [], raw_means=""),
            *p50_and_p99("one message", messages, [], raw_means=""),
        ]

    async def _measure_load(self, mendflow: Load, bare: RawApi) -> list[Figure]:
        _TOLD.print(f"{self._workflows} workflows, {self._concurrency} at a time")
        before = self._writes()
        ours = await self._per_minute("load", mendflow.one)
        spent = self._writes() - before
        _TOLD.print("the same writes by bare clients")
        theirs = await self._per_minute("load", bare.workflow)
        steps = self._workflows * STEPS
        return [
            Figure(
                name="throughput",
                unit="workflows/min",
                measured=ours,
                raw=theirs,
                raw_means="the same writes, nobody waiting for anybody",
            ),
            Figure(
                name="API writes",
                unit="per step",
                # Applying is the user's write; a plan and a last release are the workflow's.
                measured=(spent - 3 * self._workflows) / steps,
                raw=6.0,
                raw_means="grant, execution, claim, effect, result, verdict",
            ),
        ]

    async def _measure_burst(self, mendflow: Load, seen: Bystander) -> list[Figure]:
        count = self._workflows
        _TOLD.print(f"{count} workflows of {BURST_STEPS} steps, all at once")
        names = [f"burst-{number}" for number in range(count)]
        took = await mendflow.burst(names)
        return [
            Figure(
                name=f"burst of {count} x {BURST_STEPS} steps",
                unit="workflows/min",
                measured=60 * count / took,
                raw=0.0,
                raw_means="",
            ),
            Figure(
                name="most in flight per workflow",
                unit="steps",
                measured=max(seen.most_in_flight[name] for name in names),
                raw=BURST_LIMIT,
                raw_means="what each workflow allows itself",
            ),
        ]

    async def _measure_neighbours(self, mendflow: Load) -> list[Figure]:
        _TOLD.print(f"{HONEST} guarded workflows at once, without a hostile one and beside it")
        alone: list[float] = []
        beside: list[float] = []
        await mendflow.guarded([f"first-{number}" for number in range(HONEST)])
        for turn in range(NEIGHBOUR_TURNS):
            alone += await mendflow.guarded([f"alone-{turn}-{n}" for n in range(HONEST)])
        await mendflow.hostile("hostile")
        for turn in range(NEIGHBOUR_TURNS):
            beside += await mendflow.guarded([f"beside-{turn}-{n}" for n in range(HONEST)])
        name = f"{HONEST} guarded workflows beside a hostile one"
        return p50_and_p99(name, beside, alone, raw_means="the same without it")

    async def _per_minute(self, prefix: str, one: Callable[[str], Awaitable[object]]) -> float:
        gate = asyncio.Semaphore(self._concurrency)

        async def run(name: str) -> None:
            async with gate:
                await one(name)

        began = time.perf_counter()
        await asyncio.gather(*(run(f"{prefix}-{number}") for number in range(self._workflows)))
        return 60 * self._workflows / (time.perf_counter() - began)


if __name__ == "__main__":
    sys.exit(main())
