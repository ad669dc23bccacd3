"""The bus dies with everything it stored; workflows finish all the same.

Moments are counted in changes that the services made, of about 56 in all.
"""

import time
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.services import Services
from tests.support.world import World, diamond_case, rollback_case

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster
    from shared.bus.embedded import EmbeddedServer

AWAY_S: Final = 2.0
SLOW_S: Final = 240
"""Every step of the way waits for several walks of three seconds each."""


@pytest.mark.usefixtures("services")
@pytest.mark.parametrize("changes", [3, 16, 31, 46])
def test_a_wiped_bus_changes_nothing(
    cluster: "LocalCluster", bus: "EmbeddedServer", changes: int
) -> None:
    world = World(cluster, f"wiped-{changes}", [diamond_case(), rollback_case()])
    world.prepare()

    world.begin()
    world.trail.wait_for(changes)
    bus.kill()
    bus.wipe()
    time.sleep(AWAY_S)
    bus.start()

    world.finish()


@pytest.mark.usefixtures("services")
@pytest.mark.parametrize("changes", [0, 24])
def test_without_a_bus_workflows_finish_by_walking(
    cluster: "LocalCluster", bus: "EmbeddedServer", changes: int
) -> None:
    world = World(cluster, f"no-bus-{changes}", [diamond_case(), rollback_case()])
    world.prepare()
    if not changes:
        bus.kill()

    world.begin()
    world.trail.wait_for(changes)
    bus.kill()

    try:
        world.finish(seconds=SLOW_S)
    finally:
        bus.start()


def test_services_started_without_a_bus_work(
    cluster: "LocalCluster", bus: "EmbeddedServer", services: Services
) -> None:
    world = World(cluster, "never-a-bus", [rollback_case()])
    world.prepare()
    bus.kill()
    for process in services.processes.values():
        process.kill()
    world.begin()

    try:
        for process in services.processes.values():
            process.start()
        world.finish(seconds=SLOW_S)
    finally:
        bus.start()
