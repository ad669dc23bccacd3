"""`mendflow policy backtest`: recorded inputs, replayed on changed policies."""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from typing import Final

from rich.console import Console

from cli.policy.errors import PolicyCommandError, UsageError
from cli.policy.evaluating import WORKERS, as_in_service, settings
from cli.policy.in_force import in_force
from cli.policy.overlay import Changed, changed
from cli.policy.reading import given
from cli.policy.replaying import Replay, Replayed
from cli.policy.selecting import Selection, selection
from cli.policy.showing import Found, as_json, summary, table
from cli.policy.telling import complain, say
from shared.bus.stored import StreamReader
from shared.clock import SystemClock
from shared.contracts.recorded import STREAM, RecordedLook, decode
from shared.contracts.subjects import ALL_LOOKS
from shared.errors import ContractError, MendflowError
from shared.policy.port import PolicyEngine
from shared.settings import Settings

MOST_LOOKS: Final = 100_000
CHANGES: Final = 3
"""The exit code when a decision would change."""
_NARROWEST: Final = 118
"""Columns when the output is no terminal."""
_MOST_NAMED: Final = 10


def run(options: argparse.Namespace) -> int:
    """Replay what is recorded; return the exit code."""
    try:
        found = asyncio.run(_found(options))
    except PolicyCommandError as error:
        return complain(error)
    if options.json:
        sys.stdout.write(f"{as_json(found).decode()}\n")
    else:
        _show(found)
    return CHANGES if found.changes else 0


async def _found(options: argparse.Namespace) -> Found:
    selected = selection(options.against, namespace=options.namespace, since=options.since)
    sets, ours = given(options.files, name=options.name), settings()
    kubeconfig = options.kubeconfig or ours.kubeconfig
    if options.context and not kubeconfig:
        raise UsageError("--context needs --kubeconfig, which says where it is")
    base = None
    if options.kubeconfig or options.context:
        base = await in_force(ours, kubeconfig=kubeconfig, context=options.context or "")
    async with as_in_service(ours) as engine:
        over = await changed(sets, base, engine=engine)
        url = options.nats_url or ours.nats_url
        return await _backtested(over, selected, ours, url=url, engine=engine)


async def _backtested(
    over: Changed, selected: Selection, ours: Settings, *, url: str, engine: PolicyEngine
) -> Found:
    replay, tally = Replay(over, engine=engine), _Tally()
    changes: list[Replayed] = []
    try:
        async with StreamReader(url, credentials=ours.nats_credentials) as reader:
            looks = tally.counted(_looks(reader, selected), selected)
            async for some in _together(looks):
                done = await asyncio.gather(*(replay.asked(look) for look in some))
                changes.extend(each for asked in done for each in asked if each.changes)
    except MendflowError as error:
        raise PolicyCommandError(
            f"what is recorded cannot be read: {error}; --nats-url names the server of the"
            " services, which record once they have run with it"
        ) from error
    if not replay.replayed:
        raise PolicyCommandError(tally.nothing(selected, without_input=replay.without_input))
    return Found(
        revision=over.library.revision,
        replayed=replay.replayed,
        without_input=replay.without_input,
        masked=replay.masked,
        changes=changes,
        is_cut=tally.seen >= MOST_LOOKS,
    )


class _Tally:
    """What went by, to say so where none of it was of use."""

    def __init__(self) -> None:
        self.seen = 0
        self._taken = 0
        self._workflows: Counter[str] = Counter()

    async def counted(
        self, looks: AsyncIterator[RecordedLook], selected: Selection
    ) -> AsyncIterator[RecordedLook]:
        """Yield those that are selected."""
        async for look in looks:
            self.seen += 1
            self._workflows[f"{look.namespace}/{look.workflow}"] += 1
            if selected.takes(look):
                self._taken += 1
                yield look

    def _named(self, namespace: str) -> list[str]:
        """Return the workflows that somebody who looked in a namespace may have meant."""
        names = [name for name, _ in self._workflows.most_common()]
        near = [name for name in names if name.startswith(f"{namespace}/")]
        return (near or names)[:_MOST_NAMED]

    def nothing(self, selected: Selection, *, without_input: int) -> str:
        """Return why nothing was replayed, and what to do."""
        if without_input:
            return f"{without_input} recorded, and the input of each was too large to be kept"
        if self._taken:
            return (
                f"{self._taken} looks of {selected.text} are recorded, and none of them asked what"
                " is given; check keys and packages with `mendflow policy check`, or take another"
                " workflow"
            )
        if self._workflows:
            names = ", ".join(sorted(self._named(selected.namespace)))
            return f"nothing is recorded of {selected.text} in that time; there is of {names}"
        return (
            "nothing is recorded in that time; let a workflow run with services that have"
            " MENDFLOW_RECORD_POLICY_INPUTS on (the default), or look further back with --since"
        )


async def _looks(reader: StreamReader, selected: Selection) -> AsyncIterator[RecordedLook]:
    """Yield what is recorded, without what this version cannot read."""
    since = SystemClock().now() - selected.since
    async for stored in reader.messages(STREAM, ALL_LOOKS, since=since, most=MOST_LOOKS):
        try:
            yield decode(stored.data)
        except ContractError:
            continue


async def _together(looks: AsyncIterator[RecordedLook]) -> AsyncIterator[list[RecordedLook]]:
    """Yield as many at a time as are asked at once."""
    some: list[RecordedLook] = []
    async for look in looks:
        some.append(look)
        if len(some) == WORKERS:
            yield some
            some = []
    if some:
        yield some


def _show(found: Found) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=max(console.width, _NARROWEST))
    if found.changes:
        console.print(table(found))
    say(summary(found))
