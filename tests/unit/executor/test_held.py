"""What is noted of a claim while it is being written down is not lost by that."""

import asyncio

from services.executor.held import HeldClaim
from services.executor.ledger import eviction
from tests.support.virtual_time import run
from tests.unit.executor.stage import Stage

NOTES = 20


def test_what_is_noted_during_a_write_is_in_the_next_one() -> None:
    async def story() -> tuple[list[str], list[str]]:
        stage = Stage()
        held = HeldClaim(stage.executions, await stage.claimed())

        async def note() -> None:
            for number in range(NOTES):
                known = held.now.status.effects
                held.note(effects=[*known, eviction(f"web-{number}", f"uid-{number}")])
                await asyncio.sleep(0)

        await asyncio.gather(note(), held.keep(progress="evicted 1 of 20 pods"))
        noted = [each.name for each in held.now.status.effects]
        await held.keep()
        meta = held.now.metadata
        stored = await stage.executions.fetch(meta.namespace, meta.name)
        assert stored is not None
        return noted, [each.name for each in stored.status.effects]

    noted, stored = run(story())

    assert noted == stored == [f"web-{number}" for number in range(NOTES)]
