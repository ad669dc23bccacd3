"""Two replicas of every service at once: what happens is what one of each would do."""

from typing import TYPE_CHECKING, Final

import pytest

from tests.support.services import NAMES, Services
from tests.support.world import Case, World, diamond_case, rollback_case

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

REPLICAS: Final = 2
APART: Final = 14
"""Changes between two deaths; the services make about 110 in all."""


@pytest.mark.usefixtures("services")
def test_two_replicas_do_nothing_twice(cluster: "LocalCluster") -> None:
    world = World(cluster, "two-replicas", _cases())
    world.prepare()

    world.begin()

    world.finish()


@pytest.mark.parametrize("replica", range(REPLICAS))
def test_one_replica_of_each_may_die(
    cluster: "LocalCluster", services: Services, replica: int
) -> None:
    world = World(cluster, f"without-{replica}", _cases())
    world.prepare()

    world.begin()
    for number, name in enumerate(NAMES, start=1):
        world.trail.wait_for(number * APART)
        services.processes[f"{name}-{replica}"].kill()

    try:
        world.finish()
    finally:
        for name in NAMES:
            services.processes[f"{name}-{replica}"].start()


@pytest.mark.parametrize(
    ("name", "changes"),
    [("executor", 14), ("executor", 44), ("orchestrator", 30), ("rollback", 70)],
)
def test_a_frozen_replica_wakes_up_too_late(
    cluster: "LocalCluster", services: Services, name: str, changes: int
) -> None:
    world = World(cluster, f"frozen-{name}-{changes}", _cases())
    world.prepare()
    afterwards = World(cluster, f"thawed-{name}-{changes}", [diamond_case()])
    afterwards.prepare()
    frozen = services.processes[f"{name}-0"]

    world.begin()
    world.trail.wait_for(changes)
    frozen.freeze()
    try:
        world.finish()
    finally:
        frozen.thaw()

    afterwards.begin()
    afterwards.finish()
    world.check_trail()


def _cases() -> list[Case]:
    return [diamond_case("-1"), diamond_case("-2"), diamond_case("-3"), rollback_case()]
