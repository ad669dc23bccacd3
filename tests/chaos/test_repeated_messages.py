"""Every message comes three times, late and in the wrong order; nothing happens twice."""

import asyncio
from typing import TYPE_CHECKING, Final

import pytest

from shared.contracts.consumers import ALL
from tests.support import stored
from tests.support.echo import MARK, echoing
from tests.support.kubectl import eventually
from tests.support.services import Services
from tests.support.world import World, diamond_case, rollback_case

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster
    from shared.bus.embedded import EmbeddedServer

READERS: Final = [each for each in ALL if each.stream != "WFTMR"]
FACTS: Final = 40
"""Fewer than the services tell of the two workflows."""


@pytest.mark.parametrize("after_s", [0.05, 1.0], ids=["at once", "late"])
async def test_repeats_in_reverse_order_change_nothing(
    cluster: "LocalCluster", bus: "EmbeddedServer", services: Services, after_s: float
) -> None:
    services.wait_connected()
    world = World(cluster, f"repeated-{int(after_s * 100)}", [diamond_case(), rollback_case()])
    world.prepare()

    async with echoing(bus.url, after_s=after_s) as echo:
        await asyncio.to_thread(world.begin)
        await asyncio.to_thread(world.finish)
        await echo.repeat()
        # Workflows that other tests left behind may have more to tell at any time.
        facts = [each for each in echo.heard if each.subject.startswith("wf.evt.")]
        await echo.repeat_all()
        await asyncio.to_thread(_wait_all_answered, bus)

    assert len(echo.heard) - len(facts) >= sum(len(case.executions) for case in world.cases)
    assert len(facts) >= FACTS
    held = await asyncio.to_thread(stored.messages, bus.url, "WFEVT")
    assert sum(MARK in each.headers for each in held) >= 4 * len(facts)
    assert await asyncio.to_thread(stored.messages, bus.url, "WFDLQ") == []
    world.check()


def _wait_all_answered(bus: "EmbeddedServer") -> None:
    eventually(
        lambda: {"status": stored.unanswered(bus.url, READERS)},
        lambda found: not found["status"],
    )
