"""Asks for evictions, as many at a time as the API server takes well.

A budget that refuses one pod holds back that pod alone: it waits and is asked for again while
the others go on. A lost answer is asked for again too, since the uid makes a repeat harmless.
"""

import asyncio
from datetime import datetime
from typing import Final

from services.executor.core import windows
from services.executor.core.evictions import Eviction, Evictions, wait_s
from services.executor.core.windows import Window
from services.executor.stop import Stop
from shared import jitter
from shared.clock import Clock
from shared.errors import MendflowError, NotFoundError, TransientError
from shared.kube.errors import OVERLOAD, DisruptionBudgetError, NamespaceTerminatingError
from shared.kube.port import TargetCluster

_OF_LOAD: Final = frozenset({OVERLOAD, "ApiUnavailable"})
_SPREAD: Final = 1.25
"""Pods that were refused together do not all come back together."""
_ASKED_OF_ONE_BUDGET: Final = 10.0
"""How often a second a budget is asked again, however many pods it holds back."""


class Evicting:
    """The requests for all evictions of one node."""

    def __init__(
        self,
        cluster: TargetCluster,
        evictions: Evictions,
        *,
        clock: Clock,
        deadline: datetime,
        stop: Stop,
        grace_s: int | None,
    ) -> None:
        self._cluster = cluster
        self._evictions = evictions
        self._clock = clock
        self._deadline = deadline
        self._stop = stop
        self._grace_s = grace_s
        self._window = Window()
        self._turn = asyncio.Event()
        self.failure: MendflowError | None = None
        """What no waiting will mend; nothing more is asked for then."""

    @property
    def may_go_on(self) -> bool:
        """Return whether there still is time, and nobody and nothing ended it."""
        in_time = self._clock.now() < self._deadline
        return in_time and self.failure is None and not self._stop.asked

    def look_again(self) -> None:
        """Say that something became known of the pods."""
        self._turn.set()

    async def run(self) -> None:
        """Ask until all pods were told to go, or it may not go on; every answer is awaited."""
        async with asyncio.TaskGroup() as requests:
            while self.may_go_on and not self._evictions.are_asked:
                self._turn.clear()
                self._send(requests)
                await self._until_turn()

    def _send(self, requests: asyncio.TaskGroup) -> None:
        now = self._clock.monotonic()
        while windows.may_send(self._window, in_flight=self._evictions.in_flight, now=now):
            eviction = self._evictions.take(now)
            if eviction is None:
                return
            requests.create_task(self._ask(eviction))

    async def _until_turn(self) -> None:
        """Wait for an answer, or until the next request may go."""
        now = self._clock.monotonic()
        left = (self._deadline - self._clock.now()).total_seconds()
        due = self._evictions.next_due()
        if due is not None and self._evictions.in_flight < self._window.size:
            left = min(left, max(due, self._window.closed_until) - now)
        try:
            async with self._stop.waiting(max(0.0, left)):
                await self._turn.wait()
        except TimeoutError:
            return

    async def _ask(self, eviction: Eviction) -> None:
        sent = self._clock.monotonic()
        try:
            await self._cluster.evict(
                eviction.name,
                uid=eviction.uid,
                namespace=eviction.namespace,
                grace_s=self._grace_s,
            )
        except NotFoundError:
            self._evictions.vanished(eviction)
        except TransientError as error:
            self._wait(eviction, error, sent=sent)
        except NamespaceTerminatingError:
            # Whoever ends the namespace tells the pod to end, sooner or later.
            until = self._clock.monotonic() + wait_s(eviction.tries, None)
            self._evictions.postponed(eviction, until=until)
        except MendflowError as error:
            self.failure = self.failure or error
            self._evictions.postponed(eviction, until=sent)
        else:
            self._evictions.accepted(eviction)
            self._window = windows.answered(self._window, sent=sent, now=self._clock.monotonic())
        self._turn.set()

    def _wait(self, eviction: Eviction, error: TransientError, *, sent: float) -> None:
        now, asked_for_s = self._clock.monotonic(), error.retry_after_s
        if error.reason in _OF_LOAD:
            self._window = windows.throttled(
                self._window, sent=sent, now=now, retry_after_s=asked_for_s
            )
            self._evictions.postponed(eviction, until=self._window.closed_until)
            return
        self._window = windows.answered(self._window, sent=sent, now=now)
        refusal = error.refusal if isinstance(error, DisruptionBudgetError) else ""
        pause = wait_s(eviction.tries, asked_for_s)
        longest = pause * _SPREAD + self._evictions.held_by(refusal) / _ASKED_OF_ONE_BUDGET
        until = now + jitter.between(pause, longest)
        self._evictions.postponed(eviction, until=until, refusal=refusal)
