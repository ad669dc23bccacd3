"""Waiting for an object until it is as wanted, until its deadline, or until told to stop."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from services.executor.core.changes import (
    Address,
    Broken,
    Done,
    NotYet,
    Object,
    Verdict,
    cancelled,
    too_late,
)
from services.executor.stop import Stop
from shared.clock import Clock
from shared.errors import TransientError
from shared.kube.port import Cluster

Judge = Callable[[Object | None], Verdict]

_LOOK_S: Final = 5.0
_UNSEEN_S: Final = 1.0
_RETRY_S: Final = 0.2


class Settling:
    """Looks at one object again and again."""

    def __init__(self, cluster: Cluster, *, clock: Clock, deadline: datetime, stop: Stop) -> None:
        self._cluster = cluster
        self._clock = clock
        self._deadline = deadline
        self._stop = stop

    async def wait(self, address: Address, judge: Judge, *, if_stopped: str) -> Done:
        """Return what `judge` says once the object is as wanted.

        Raises:
            RefusedError: when it never will be, or not in time, or when told to stop; then
                with what `if_stopped` says.
        """
        progress = "nothing was seen"
        while self._clock.now() < self._deadline:
            live = await self._cluster.read(address.kind, address.name, namespace=address.namespace)
            match judge(live):
                case Done() as done:
                    return done
                case Broken() as broken:
                    raise broken.as_error()
                case NotYet(message=message):
                    progress = message
            if self._stop.asked:
                raise cancelled(if_stopped)
            await self._until_changed(address, live, judge)
        raise too_late(f"{address}: {progress}")

    async def _until_changed(self, address: Address, live: Object | None, judge: Judge) -> None:
        """Return when the object looks settled, or after a while, or when the watch ends."""
        left = max(0.0, (self._deadline - self._clock.now()).total_seconds())
        try:
            if live is None:
                await self._stop.pause(min(_UNSEEN_S, left))
                return
            async with self._stop.waiting(min(left, _LOOK_S)):
                async for change in self._cluster.watch(
                    address.kind,
                    namespace=address.namespace,
                    name=address.name,
                    resource_version=live["metadata"]["resourceVersion"],
                ):
                    if change.type == "BOOKMARK":
                        continue
                    gone = change.type == "DELETED"
                    if gone or not isinstance(judge(change.object), NotYet):
                        return
        except TimeoutError:
            return
        except TransientError:
            await self._stop.pause(min(_RETRY_S, left))
