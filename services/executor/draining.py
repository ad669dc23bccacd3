"""Drains a node that is cordoned already: evicts its pods, and waits until they are gone.

Nothing is remembered between two runs: the pods that are on the node say what is left, so that
after a crash another run goes on. Pods are looked at by listing those of the node, which also
shows what became of a request whose answer was lost.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final, TypeVar

from services.executor.core import draining
from services.executor.core.changes import Done, RefusedError, cancelled, too_late
from services.executor.core.evictions import Eviction, Evictions, Progress
from services.executor.evicting import Evicting
from services.executor.stop import Stop
from shared.api.actions.nodes import DrainNode
from shared.api.results import CustomResult, StepResult
from shared.clock import Clock
from shared.errors import FencedError, MendflowError, TransientError
from shared.kube.port import TargetCluster
from shared.workflow.refusals import error_type_of

_FIRST_LOOK_S: Final = 0.2
_LONGEST_LOOK_S: Final = 2.0
_BUSY_LOOK_S: Final = 1.0
"""While pods are still told to go, their end may be near."""
_GROWTH: Final = 1.5
_TELL_S: Final = 2.0

T = TypeVar("T")
Tell = Callable[[Progress], Awaitable[None]]
Intend = Callable[[Sequence[Eviction]], Awaitable[None]]


async def _unsaid(_: Sequence[Eviction]) -> None:
    """Nobody wants to know beforehand."""


class Drain:
    """Evicts the pods of one node."""

    def __init__(
        self,
        cluster: TargetCluster,
        *,
        clock: Clock,
        deadline: datetime,
        stop: Stop,
        progress: Tell,
        intend: Intend = _unsaid,
    ) -> None:
        """Build it.

        Args:
            cluster: where the node is.
            clock: says what time it is.
            deadline: when it is to be done.
            stop: ends it early.
            progress: told the counts, every two seconds at most and at the end.
            intend: told once what is going to be evicted, before anything is.
        """
        # How fast it may go is found out from the answers, not agreed beforehand.
        self._cluster = cluster.unlimited()
        self._clock = clock
        self._deadline = deadline
        self._stop = stop
        self._progress = progress
        self._intend = intend
        self._told: Progress | None = None
        self._tell_at = clock.monotonic() + _TELL_S

    async def run(self, parameters: DrainNode, *, started: datetime) -> Done:
        """Evict all that is to go, and return once it is gone.

        Args:
            parameters: which node, and what may be evicted.
            started: when the step began by the clock of the API server, also if that was in
                another process.

        Raises:
            RefusedError: when a pod stands in the way, the time is up or it was told to stop.
            FencedError: when `progress`, `intend` or the cluster found that the claim is gone.
        """
        node = parameters.node
        listing = await self._surely(
            lambda: self._cluster.pods_on(node), f"a list of the pods of node {node}"
        )
        selection = draining.select(listing.items, parameters, started=started)
        evictions = Evictions(selection.to_evict)
        intended = evictions.to_ask
        await self._surely(lambda: self._intend(intended), "its evictions to be written down")
        evicting = Evicting(
            self._cluster,
            evictions,
            clock=self._clock,
            deadline=self._deadline,
            stop=self._stop,
            grace_s=parameters.grace_period_seconds,
        )
        async with asyncio.TaskGroup() as both:
            both.create_task(evicting.run())
            both.create_task(self._follow(node, evictions, evicting))
        if not isinstance(evicting.failure, FencedError):
            await self._tell(evictions)
        self._judge(evictions, evicting.failure)
        count = evictions.progress().evicted
        output = draining.outcome(node, selection, evicted=count)
        told = CustomResult(action_type="drain_node", output=output)
        return Done(result=StepResult(success=True, custom_result=told))

    async def _surely(self, call: Callable[[], Awaitable[T]], waits_for: str) -> T:
        """Return what a call returns, made again while the API server cannot be reached."""
        while self._clock.now() < self._deadline:
            if self._stop.asked:
                raise cancelled("cancelled before any pod was evicted")
            try:
                return await call()
            except TransientError:
                await self._stop.pause(min(_LONGEST_LOOK_S, self._left_s()))
        raise too_late(waits_for)

    async def _follow(self, node: str, evictions: Evictions, evicting: Evicting) -> None:
        """Look at the pods until all are gone; what fails for good ends the evictions too."""
        delay = _FIRST_LOOK_S
        try:
            while evicting.may_go_on and not evictions.are_done:
                await self._stop.pause(min(delay, self._left_s()))
                was_busy = not evictions.are_asked
                await self._look(node, evictions)
                evicting.look_again()
                is_busy = not evictions.are_asked
                longest = _BUSY_LOOK_S if is_busy else _LONGEST_LOOK_S
                delay = _FIRST_LOOK_S if was_busy > is_busy else min(longest, delay * _GROWTH)
                if self._clock.monotonic() >= self._tell_at:
                    await self._tell(evictions)
        except MendflowError as error:
            evicting.failure = evicting.failure or error
            evicting.look_again()

    async def _look(self, node: str, evictions: Evictions) -> None:
        try:
            evictions.see((await self._cluster.pods_on(node)).items)
        except TransientError:
            return

    async def _tell(self, evictions: Evictions) -> None:
        progress = evictions.progress()
        self._tell_at = self._clock.monotonic() + _TELL_S
        if progress == self._told:
            return
        try:
            await self._progress(progress)
        except TransientError:
            return
        self._told = progress

    def _judge(self, evictions: Evictions, failure: MendflowError | None) -> None:
        """Raise why it ended, unless all pods are gone."""
        if evictions.are_done and failure is None:
            return
        left = evictions.left()
        if isinstance(failure, FencedError):
            raise failure
        if failure is not None:
            raise RefusedError(error_type_of(failure), f"{left}; {failure}", reason=failure.reason)
        if self._stop.asked:
            raise cancelled(f"cancelled while draining: {left}")
        raise too_late(f"evictions: {left}")

    def _left_s(self) -> float:
        return max(0.0, (self._deadline - self._clock.now()).total_seconds())
