"""Any service dies at any moment of a workflow, and nobody can tell afterwards.

A seed names the victim and the moment. The moment is counted in changes that the services
made, so that it means the same on every machine. CHAOS_SEED=n begins with another seed.
"""

import os
import random  # noqa: TID251 - each run replays from its seed
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.services import NAMES, Services
from tests.support.world import World, diamond_case, rollback_case

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

FIRST: Final = int(os.environ.get("CHAOS_SEED", "0"))
RUNS: Final = 30
ROUNDS: Final = RUNS // len(NAMES)
CHANGES: Final = (0, 56)
"""The services make about so many changes for both workflows."""
AT_WORK: Final = {"planner": (0, 6), "rollback": (20, 56)}
"""Between which changes a service is at work, where that is not always."""
DOWN_S: Final = 1.0


@pytest.fixture(scope="module")
def worlds(services: Services) -> Iterator[list[World]]:
    """What earlier runs left behind: nothing may happen to it any more."""
    del services
    left: list[World] = []
    yield left
    for world in left:
        world.check_trail()


@pytest.mark.parametrize("seed", range(FIRST, FIRST + RUNS))
def test_a_killed_service_changes_nothing(
    cluster: "LocalCluster", services: Services, worlds: list[World], seed: int
) -> None:
    victim, changes, then_s = _fate(seed)
    sys.stdout.write(f"seed {seed}: {victim} killed {then_s:.3f} s after change {changes}\n")
    world = World(cluster, f"killed-{seed}", [diamond_case(), rollback_case()])
    world.prepare()
    worlds.append(world)

    world.begin()
    world.trail.wait_for(changes)
    time.sleep(then_s)
    services.processes[f"{victim}-0"].kill()
    time.sleep(DOWN_S)
    services.processes[f"{victim}-0"].start()

    world.finish()


@pytest.mark.parametrize("changes", [12, 30, 48])
def test_all_services_may_die_at_once(
    cluster: "LocalCluster", services: Services, worlds: list[World], changes: int
) -> None:
    world = World(cluster, f"all-killed-{changes}", [diamond_case(), rollback_case()])
    world.prepare()
    worlds.append(world)

    world.begin()
    world.trail.wait_for(changes)
    for process in services.processes.values():
        process.kill()
    for process in services.processes.values():
        process.start()

    world.finish()


def _fate(seed: int) -> tuple[str, int, float]:
    """Return whom, after how many changes, and how long after: each service in each fifth."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    victim = NAMES[seed % len(NAMES)]
    first, last = AT_WORK.get(victim, CHANGES)
    share = (seed // len(NAMES) % ROUNDS + chance.random()) / ROUNDS
    return victim, first + int(share * (last - first)), chance.uniform(0, 0.03)
