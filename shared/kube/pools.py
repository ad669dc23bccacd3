"""Pools on the API server: read live, their status swapped on the version that was read."""

from shared.api.groups import CONCURRENCY_POOL
from shared.api.pool import ConcurrencyPool, PoolStatus
from shared.kube.apply import to_json
from shared.kube.objects import decoded, swap_status
from shared.kube.port import Cluster


class PoolStore:
    """Reads pools and writes who holds their slots."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def fetch(self, namespace: str, name: str) -> ConcurrencyPool | None:
        """Return the live pool, or None. Raises ContractError when it cannot be decoded."""
        raw = await self._cluster.read(CONCURRENCY_POOL, name, namespace=namespace)
        return None if raw is None else decoded(raw, ConcurrencyPool)

    async def swap(self, pool: ConcurrencyPool, status: PoolStatus) -> ConcurrencyPool:
        """Swap in a status on the version that was read.

        Raises:
            ConflictError: when somebody was faster; read again.
            NotFoundError: when the pool is gone.
        """
        raw = await swap_status(
            self._cluster,
            CONCURRENCY_POOL,
            pool.metadata,
            raw=to_json(pool.status),
            before=pool.status,
            after=status,
        )
        return decoded(raw, ConcurrencyPool)
