"""Looks at who holds a target, and waits for them: always on live objects.

A holder that may not be read, or cannot be understood, keeps nobody waiting: anybody may
write an annotation, and a lock that nobody can see ends for nobody.
"""

import asyncio
from typing import Final

from services.executor.core import locks
from services.executor.core.changes import Address
from shared.api.enums import TERMINAL_EXECUTION_PHASES
from shared.api.execution import KubernetesExecution
from shared.api.meta import LOCKED_BY_ANNOTATION
from shared.errors import PermanentError, TransientError
from shared.kube.port import Cluster, Object
from shared.kube.store import ExecutionStore

_RETRY_S: Final = 0.5


class TargetLocks:
    """The locks on targets."""

    def __init__(self, cluster: Cluster, executions: ExecutionStore) -> None:
        """Build it from who may change targets, and who reads executions."""
        self._cluster = cluster
        self._executions = executions

    async def holder(
        self, target: Object, execution: KubernetesExecution
    ) -> KubernetesExecution | None:
        """Return the unfinished execution of another workflow that holds the object, if any."""
        for holder in locks.others(target, execution):
            live = await self._fetch(holder.namespace, holder.name)
            if live is not None and locks.blocks(holder, execution, live):
                return live
        return None

    async def take(
        self, address: Address, target: Object, execution: KubernetesExecution
    ) -> Object:
        """Write who holds the object, and nothing else; return it as it is then.

        Raises:
            ConflictError: when it is not as it was read any more.
        """
        meta = target["metadata"]
        body: Object = {
            "metadata": {
                "uid": meta["uid"],
                "resourceVersion": meta["resourceVersion"],
                "annotations": {LOCKED_BY_ANNOTATION: locks.held(target, execution)},
            }
        }
        return await self._cluster.patch(
            address.kind, address.name, body, namespace=address.namespace
        )

    async def until_ended(self, holder: KubernetesExecution) -> None:
        """Return when an execution has ended or is gone."""
        while True:
            try:
                if await self._watch_until_ended(holder):
                    return
            except TransientError:
                pass
            await asyncio.sleep(_RETRY_S)

    async def _watch_until_ended(self, holder: KubernetesExecution) -> bool:
        meta = holder.metadata
        live = await self._fetch(meta.namespace, meta.name)
        if live is None or live.metadata.uid != meta.uid or live.is_terminal:
            return True
        async for change in self._executions.watch(live):
            if change.type != "BOOKMARK":
                phase = change.object.get("status", {}).get("phase")
                if change.type == "DELETED" or phase in TERMINAL_EXECUTION_PHASES:
                    return True
        return False

    async def _fetch(self, namespace: str, name: str) -> KubernetesExecution | None:
        try:
            return await self._executions.fetch(namespace, name)
        except PermanentError:
            return None
