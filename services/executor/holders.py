"""Which executors are alive: our own lease, and what is seen of the others'.

Says when a take-over is worth trying; claims are compare-and-swap all the same.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from shared.api.groups import LEASE
from shared.clock import Clock
from shared.errors import MendflowError
from shared.kube.lease import COMPONENT_LABEL, LeaseHolder, LeaseObserver
from shared.kube.port import Cluster

COMPONENT: Final = "mendflow-executor"
_LOOK_S: Final = 2.0


class Holders:
    """The executors that hold claims."""

    def __init__(self, cluster: Cluster, *, own: LeaseHolder, namespace: str, clock: Clock) -> None:
        self._cluster = cluster
        self._own = own
        self._namespace = namespace
        self._observer = LeaseObserver(clock=clock)
        self._alive: frozenset[str] = frozenset()
        self._looked = False
        self._log = structlog.get_logger(component=COMPONENT)

    @property
    def identity(self) -> str:
        """Return the name under which this process claims."""
        return self._own.identity

    def is_replaceable(self, holder: str) -> bool:
        """Return whether an idle claim of a holder may be taken up here: ours, or of one gone.

        Nobody else is gone before the first look.
        """
        return holder == self.identity or (self._looked and self._observer.is_gone(holder))

    async def run(self, *, on_lost: Callable[[], None]) -> None:
        """Keep our lease, look at the others', and tell when one of them is lost."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._own.run())
            tasks.create_task(self._look_forever(on_lost))

    async def _look_forever(self, on_lost: Callable[[], None]) -> None:
        while True:
            try:
                await self._look(on_lost)
            except MendflowError as error:
                self._log.debug("leases not read", reason=error.reason)
            await asyncio.sleep(_LOOK_S)

    async def _look(self, on_lost: Callable[[], None]) -> None:
        listing = await self._cluster.list(
            LEASE,
            namespace=self._namespace,
            label_selector=f"{COMPONENT_LABEL}={COMPONENT}",
        )
        leases = {
            item["spec"].get("holderIdentity", ""): item["spec"].get("renewTime", "")
            for item in listing.items
        }
        self._observer.observe(leases)
        alive = frozenset(holder for holder in leases if not self._observer.is_gone(holder))
        lost = self._alive - alive
        first, self._looked = not self._looked, True
        self._alive = alive
        if lost or first:
            on_lost()
