"""kill -9 of the executor at every request of every action and every undo: as if nothing was.

Where a run of them all would take too long, some are drawn: each action and each undo once,
and all requests of a few. `SWEEP=all` takes every one, `SWEEP_SEED` draws the same again.
"""

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
import pytest

from services.executor.actions.handlers import HANDLERS
from services.executor.core.job_building import job_name
from shared.api.enums import Action, ExecutionPhase
from shared.kube.client import ApiCluster
from tests.chaos.actions.samples import SAMPLES, Sample
from tests.chaos.actions.sweep import Ended, Sweep, told
from tests.support.dying import Death, When
from tests.support.kubectl import Kubectl
from tests.support.ledgers import AuditedRequests, Request

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

T = TypeVar("T")
ALL: Final = os.environ.get("SWEEP") == "all"
SEED: Final = os.environ.get("SWEEP_SEED", str(time.monotonic_ns()))
WHOLE: Final = {"rotate-secrets", "apply-manifest-new"}
"""What keeps a state in a Secret, and what makes and deletes an object."""
AT_ONCE: Final = 6
Carry = Callable[[Sample, str, Death], Awaitable[Ended]]


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """An action or its undo, and how it goes undisturbed."""

    sample: Sample
    carry_out: Carry
    name: str
    clean: Ended


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One death, and what came of it."""

    way: Way
    death: Death
    ended: Ended


def test_there_is_a_sample_of_every_action() -> None:
    others = {Action.DELETE_POD, Action.RESTART_POD, Action.CUSTOM}
    assert {sample.action for sample in SAMPLES} == set(HANDLERS) | others


@pytest.mark.timeout(1800 if ALL else 300)
async def test_killed_at_any_request_it_ends_as_if_nothing_was(
    cluster: "LocalCluster", api: ApiCluster, kubectl: Kubectl
) -> None:
    audited = AuditedRequests(cluster.audit_log)
    sweep = Sweep(api, cluster.kubeconfig, kubectl.namespace)
    gate = asyncio.Semaphore(AT_ONCE)
    ways = [each async for each in _ways(sweep, gate)]
    points = await _points(ways, gate)

    sys.stdout.write(_report(points))
    names = [way.clean.name for way in ways] + [point.ended.name for point in points]
    wrong = audited.differences(kubectl.namespace, kubectl.items("kex"), others=names)
    requests = audited.read(kubectl.namespace, others=names)
    wrong += [each for point in points for each in _problems(point, requests)]
    assert not wrong, "\n".join(wrong)


async def _ways(sweep: Sweep, gate: asyncio.Semaphore) -> AsyncIterator[Way]:
    """Yield every action and every undo, carried out once without a death."""
    clean = await _all(_way(gate, sweep.forward, each, "do") for each in SAMPLES)
    reversible = [way for way in clean if _is_reversible(way)]
    back = await _all(_way(gate, sweep.undo, way.sample, "undo") for way in reversible)
    for way in [*clean, *back]:
        yield way
    for done, undone in zip(reversible, back, strict=True):
        assert undone.clean.after.essence == done.clean.before.essence, undone.name


async def _way(gate: asyncio.Semaphore, carry_out: Carry, sample: Sample, what: str) -> Way:
    name = f"{sample.name}-{what}"
    async with gate:
        clean = await carry_out(sample, name, Death(at=0, when=When.BEFORE))
    assert clean.execution.status.phase is ExecutionPhase.COMPLETED, told(clean)
    assert sample.replaced or clean.after.essence != clean.before.essence, "nothing was changed"
    return Way(sample=sample, carry_out=carry_out, name=name, clean=clean)


def _is_reversible(way: Way) -> bool:
    captured = way.clean.execution.status.rollback_information
    return captured is not None and captured.available


async def _points(ways: list[Way], gate: asyncio.Semaphore) -> list[Point]:
    whole = [way for way in ways if ALL or way.sample.name in WHOLE]
    drawn = [way for way in ways if way not in whole]
    found = await _all(
        [
            *(_every(way, when, gate) for way in whole for when in When),
            *(_drawn(way, gate) for way in drawn),
        ]
    )
    return [point for points in found for point in points]


async def _all(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Do everything at once; where something fails, the rest ends before that is told."""
    async with asyncio.TaskGroup() as tasks:
        begun = [tasks.create_task(work) for work in works]
    return [task.result() for task in begun]


async def _every(way: Way, when: When, gate: asyncio.Semaphore) -> list[Point]:
    """Kill at the first request, at the second, until a run ends before it is killed."""
    points: list[Point] = []
    while not points or points[-1].ended.killed:
        points.append(await _point(way, Death(at=len(points) + 1, when=when), gate))
    return points


async def _drawn(way: Way, gate: asyncio.Semaphore) -> list[Point]:
    """Kill at one request."""
    number = int(sha256(f"{SEED}/{way.name}".encode()).hexdigest(), 16)
    at, side = number % way.clean.requests, number // way.clean.requests % 2
    return [await _point(way, Death(at=at + 1, when=list(When)[side]), gate)]


async def _point(way: Way, death: Death, gate: asyncio.Semaphore) -> Point:
    name = f"{way.name}-{death.when}-{death.at}"
    async with gate:
        ended = await way.carry_out(way.sample, name, death)
    return Point(way=way, death=death, ended=ended)


def _problems(point: Point, requests: list[Request]) -> list[str]:
    """Return what differs from a run without a death."""
    clean, ended = point.way.clean, point.ended
    where = f"{point.way.name} killed {point.death}"
    found = {
        "status": (clean.execution.status.phase, ended.execution.status.phase, told(ended)),
        "target": (clean.after.essence, ended.after.essence),
        "changes": (clean.changes, ended.changes),
        "requests": (_asked(clean, requests), _asked(ended, requests)),
    }
    return [f"{where}: {what}: {each}" for what, each in found.items() if each[0] != each[1]]


def _asked(ended: Ended, requests: list[Request]) -> Counter[str]:
    """Return what was asked of a target, or around it: no Secrets that keep what was before."""
    names = {ended.name, f"quarantine-{ended.name}", *(f"{ended.name}-{n}" for n in range(3))}
    names.add(job_name(ended.execution.metadata.name))
    about = [each.record for each in requests if each.record.name in names]
    return Counter(f"{each.verb} {each.kind}" for each in about)


def _report(points: list[Point]) -> str:
    counts = Counter(point.way.name for point in points)
    lines = [f"SWEEP_SEED={SEED}: killed at {len(points)} points"]
    return "\n".join([*lines, *(f"  {count:3} {name}" for name, count in sorted(counts.items()))])
