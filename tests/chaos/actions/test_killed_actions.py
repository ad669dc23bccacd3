"""kill -9 of the executor at every request of every action and every undo: as if nothing was.

The executor is itself, and touches targets with the rights of the account of the action.
Beside actions and undos, steps are settled whose execution was deleted, and targets are waited
for that another workflow holds.

Where a run of them all would take too long, some are drawn: each action and each undo once,
all requests of a few, and some of what is beside them. `SWEEP=all` takes every one,
`SWEEP_SEED` draws the same again.
"""

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import (
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Sequence,
)
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
import pytest

from services.executor.actions.handlers import HANDLERS
from services.executor.core.job_building import name_for
from shared.api.enums import Action, ExecutionPhase, Intent
from shared.kube.client import ApiCluster
from tests.chaos.actions.samples import HALVES, SAMPLES, Sample
from tests.chaos.actions.sweep import Ended, Sweep, told
from tests.support.dying import NEVER, Death, When
from tests.support.kubectl import Kubectl
from tests.support.ledgers import Request
from tests.support.rights import kubeconfigs

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

T = TypeVar("T")
ALL: Final = os.environ.get("SWEEP") == "all"
SEED: Final = os.environ.get("SWEEP_SEED", str(time.monotonic_ns()))
WHOLE: Final = ("rotate-secrets", "apply-manifest-new")
"""What keeps a state in a Secret, and what makes and deletes an object."""
WHOLE_WAYS: Final = {f"{name}-{way}" for name in WHOLE for way in ("do", "undo")}
UNKNOWABLE: Final = {Action.DELETE_POD, Action.RESTART_POD, Action.CUSTOM}
"""What leaves no mark of its own on a target."""
TIMEOUT_S: Final = 1800 if ALL else 300
Carry = Callable[[Sample, str, Death], Awaitable[Ended]]


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """An action or its undo, and how it goes undisturbed."""

    sample: Sample
    carry_out: Carry
    name: str
    clean: Ended


Awaited = Coroutine[Any, Any, Way]


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One death, and what came of it."""

    way: Way
    death: Death
    ended: Ended


def test_there_is_a_sample_of_every_action() -> None:
    assert {sample.action for sample in SAMPLES} == set(HANDLERS) | UNKNOWABLE


@pytest.fixture
def sweep(cluster: "LocalCluster", api: ApiCluster, kubectl: Kubectl) -> Sweep:
    """A namespace of this test, and the executor with its own account."""
    executor = kubeconfigs(cluster)["executor"]
    return Sweep(api, kubectl, executor=executor, log=cluster.audit_log)


@pytest.mark.timeout(TIMEOUT_S)
async def test_killed_at_any_request_it_ends_as_if_nothing_was(sweep: Sweep) -> None:
    done = await _all(_way(sweep.forward, each, "do") for each in SAMPLES)
    reversible = [way for way in done if _is_reversible(way)]
    back = await _all(_way(sweep.undo, way.sample, "undo") for way in reversible)

    await _kill_at_points([*done, *back], sweep)
    for way, undone in zip(reversible, back, strict=True):
        assert undone.clean.after.essence == way.clean.before.essence, undone.name


@pytest.mark.timeout(TIMEOUT_S)
async def test_killed_while_it_settles_a_step_it_finds_the_same(sweep: Sweep) -> None:
    await _kill_at_points(await _all(_settled(sweep)), sweep)


@pytest.mark.timeout(TIMEOUT_S)
async def test_killed_while_it_waits_for_a_target_it_takes_its_turn(sweep: Sweep) -> None:
    await _kill_at_points(await _all(_waited_for(sweep)), sweep)


async def _kill_at_points(ways: list[Way], sweep: Sweep) -> None:
    """Compare what a death leaves, at each point that is drawn, with a run without one."""
    points = await _points(ways)
    sys.stdout.write(_report(points))
    names = [way.clean.name for way in ways] + [point.ended.name for point in points]
    wrong, requests = sweep.differences(names), sweep.requests(names)
    wrong += [each for point in points for each in _problems(point, requests)]
    assert not wrong, "\n".join(wrong)


def _settled(sweep: Sweep) -> Iterator[Awaited]:
    """Yield steps to settle: of attempts that nobody took up, lost halfway, and done."""
    for sample in _some(SAMPLES, "unbegun"):
        unbegun = partial(sweep.settle, lost=None)
        yield _way(unbegun, sample, "unbegun", ends=ExecutionPhase.FAILED)
    for sample in _some(SAMPLES, "done"):
        done = partial(sweep.settle, lost=NEVER)
        is_known = sample.action not in UNKNOWABLE
        ends = ExecutionPhase.COMPLETED if is_known else ExecutionPhase.FAILED
        yield _way(done, sample, "done", ends=ends)
    for what, (sample, death) in HALVES.items():
        half = partial(sweep.settle, lost=death)
        yield _way(half, sample, what, ends=ExecutionPhase.FAILED)


def _waited_for(sweep: Sweep) -> Iterator[Awaited]:
    """Yield actions on targets that another workflow took before their claim, and after it."""
    contended = [each for each in SAMPLES if each.meanwhile]
    for what, claimed in (("held", False), ("taken", True)):
        for sample in _some(contended, what):
            yield _way(partial(sweep.wait, claimed=claimed), sample, what)


def _some(samples: Sequence[Sample], what: str) -> Sequence[Sample]:
    """Return all of them, or the one that is drawn."""
    return samples if ALL else [samples[_drawn_for(what) % len(samples)]]


def _drawn_for(name: str) -> int:
    return int(sha256(f"{SEED}/{name}".encode()).hexdigest(), 16)


async def _way(
    carry_out: Carry,
    sample: Sample,
    what: str,
    *,
    ends: ExecutionPhase = ExecutionPhase.COMPLETED,
) -> Way:
    name = f"{sample.name}-{what}"
    clean = await carry_out(sample, name, NEVER)
    assert clean.execution.status.phase is ends, told(clean)
    settles = clean.execution.spec.intent is Intent.SETTLE
    is_changed = clean.after.essence != clean.before.essence
    assert sample.replaced or is_changed is not settles, f"{name}: {clean.after.essence}"
    return Way(sample=sample, carry_out=carry_out, name=name, clean=clean)


def _is_reversible(way: Way) -> bool:
    captured = way.clean.execution.status.rollback_information
    return captured is not None and captured.available


async def _points(ways: list[Way]) -> list[Point]:
    whole = [way for way in ways if ALL or way.name in WHOLE_WAYS]
    drawn = [way for way in ways if way not in whole]
    found = await _all(
        [
            *(_every(way, when) for way in whole for when in When),
            *(_drawn(way) for way in drawn),
        ]
    )
    return [point for points in found for point in points]


async def _all(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Do everything at once; where something fails, the rest ends before that is told."""
    async with asyncio.TaskGroup() as tasks:
        begun = [tasks.create_task(work) for work in works]
    return [task.result() for task in begun]


async def _every(way: Way, when: When) -> list[Point]:
    """Kill at the first request, at the second, until a run ends before it is killed."""
    points: list[Point] = []
    while not points or points[-1].ended.killed:
        points.append(await _point(way, Death(at=len(points) + 1, when=when)))
    return points


async def _drawn(way: Way) -> list[Point]:
    """Kill at one request."""
    number = _drawn_for(way.name)
    at, side = number % way.clean.requests, number // way.clean.requests % 2
    return [await _point(way, Death(at=at + 1, when=list(When)[side]))]


async def _point(way: Way, death: Death) -> Point:
    name = f"{way.name}-{death.when}-{death.at}"
    ended = await way.carry_out(way.sample, name, death)
    return Point(way=way, death=death, ended=ended)


def _problems(point: Point, requests: list[Request]) -> list[str]:
    """Return what differs from a run without a death."""
    clean, ended = point.way.clean, point.ended
    where = f"{point.way.name} killed {point.death}"
    found = {
        "status": (clean.execution.status.phase, ended.execution.status.phase, told(ended)),
        "target": (clean.after.essence, ended.after.essence),
        "captured": (_captured(clean), _captured(ended)),
        "changes": (clean.changes, ended.changes),
        "requests": (_asked(clean, requests), _asked(ended, requests)),
    }
    return [f"{where}: {what}: {each}" for what, each in found.items() if each[0] != each[1]]


def _captured(ended: Ended) -> dict[str, str]:
    """Return the fields before the change, as they are given back by its undo."""
    captured = ended.execution.status.rollback_information
    if captured is None:
        return {}
    own = {captured.kept_in: "(kept)", ended.name: "(name)"}
    own.pop("", None)
    return {key: _neutral(each, own) for key, each in captured.before.items()}


def _neutral(text: str, own: dict[str, str]) -> str:
    for name, neutral in own.items():
        text = text.replace(name, neutral)
    return text


def _asked(ended: Ended, requests: list[Request]) -> Counter[str]:
    """Return what was asked of a target, or around it: no Secrets that keep what was before."""
    names = {ended.name, f"quarantine-{ended.name}", *(f"{ended.name}-{n}" for n in range(3))}
    names.add(name_for(ended.execution))
    about = [each.record for each in requests if each.record.name in names]
    return Counter(f"{each.verb} {each.kind}" for each in about)


def _report(points: list[Point]) -> str:
    counts = Counter(point.way.name for point in points)
    lines = [f"SWEEP_SEED={SEED}: killed at {len(points)} points"]
    return "\n".join([*lines, *(f"  {count:3} {name}" for name, count in sorted(counts.items()))])
