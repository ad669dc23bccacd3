"""The net below all messages: a walk over all objects of a kind, again and again."""

import asyncio
from collections.abc import Awaitable, Callable

from shared import jitter
from shared.api.groups import Kind
from shared.errors import MendflowError
from shared.kube.port import Object
from shared.waiting import happened
from shared.worker.context import Context

Visit = Callable[[list[Object]], Awaitable[None]]


class ResyncLoop:
    """Lists a kind once per period, and at once when woken."""

    def __init__(self, context: Context, kind: Kind, visit: Visit) -> None:
        """Build it; `visit` takes all objects of the kind in the service's namespace."""
        self._context = context
        self._kind = kind
        self._visit = visit
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Walk soon: messages may have been missed."""
        self._woken.set()

    async def run(self) -> None:
        """Walk until cancelled; a list that fails is tried again in the next period."""
        while True:
            self._woken.clear()
            await self._walk()
            period_s = jitter.around(self._context.resync_s, by=0.2)
            await happened(self._woken, within_s=period_s)

    async def _walk(self) -> None:
        context = self._context
        try:
            listing = await context.cluster.list(self._kind, namespace=context.namespace)
        except MendflowError as error:
            context.log.warning("resync could not list", kind=self._kind.kind, reason=error.reason)
            return
        await self._visit(listing.items)
