"""Leases: who is alive, and who leads. They say when a take-over is worth trying, no more.

An observer judges by its own monotonic clock: a lease has expired when its renewal stood
still for as long as the lease lasts. No safety rests on any of it.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import structlog
from structlog.typing import FilteringBoundLogger

from shared.api.groups import LEASE
from shared.clock import Clock
from shared.errors import AlreadyExistsError, ConflictError, MendflowError, NotFoundError
from shared.kube.port import Cluster, Object

COMPONENT_LABEL: Final = "app.kubernetes.io/component"
_RELEASE_S: Final = 1.0
"""A stopping process waits no longer for an answer; the lease expires all the same."""


class LeaseHolder:
    """Keeps one lease of its own renewed, so that others see this replica alive."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        namespace: str,
        name: str,
        identity: str,
        component: str,
        clock: Clock,
        renew_s: float = 1.0,
        duration_s: int = 4,
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._name = name
        self.identity = identity
        self._labels = {COMPONENT_LABEL: component}
        self._clock = clock
        self._renew_s = renew_s
        self._duration_s = duration_s
        self._log = structlog.get_logger(lease=name)

    async def run(self) -> None:
        """Renew until cancelled, then say that we are gone."""
        try:
            while True:
                try:
                    await self.renew()
                except MendflowError as error:
                    self._log.debug("lease not renewed", reason=error.reason)
                await asyncio.sleep(self._renew_s)
        finally:
            await _release(
                self._cluster, self._namespace, self._name, identity=self.identity, log=self._log
            )

    async def renew(self) -> None:
        """Write the lease once, whoever held it before: the name is this replica's own."""
        body = lease_body(
            self._name,
            identity=self.identity,
            labels=self._labels,
            now=self._clock.now(),
            duration_s=self._duration_s,
        )
        try:
            await self._cluster.patch(LEASE, self._name, body, namespace=self._namespace)
        except NotFoundError:
            await self._cluster.create(LEASE, body, namespace=self._namespace)


class LeaseObserver:
    """Says which holders are gone, by what it saw of their leases over time."""

    def __init__(self, *, clock: Clock, duration_s: float = 4.0) -> None:
        self._clock = clock
        self._duration_s = duration_s
        self._seen: dict[str, tuple[str, float]] = {}
        self._started = clock.monotonic()

    def observe(self, leases: Mapping[str, str]) -> None:
        """Take note of the renewals: holder identity to its latest renewal, as text.

        A released lease names nobody.
        """
        now = self._clock.monotonic()
        for holder, renewal in leases.items():
            if not holder:
                continue
            known = self._seen.get(holder)
            if known is None or known[0] != renewal:
                self._seen[holder] = (renewal, now)
        for holder in self._seen.keys() - leases.keys():
            del self._seen[holder]

    def is_gone(self, holder: str) -> bool:
        """Return whether a holder has no lease, or one that stood still for its duration."""
        known = self._seen.get(holder)
        if known is None:
            return True
        return self._clock.monotonic() - known[1] > self._duration_s


class Election:
    """One leader among replicas, by compare-and-swap on one lease."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        namespace: str,
        name: str,
        identity: str,
        clock: Clock,
        renew_s: float = 1.0,
        duration_s: int = 4,
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._clock = clock
        self.elected = asyncio.Event()
        self._renew_s = renew_s
        self._duration_s = duration_s
        self._observer = LeaseObserver(clock=clock, duration_s=duration_s)
        self._renewed_at = float("-inf")
        self._log = structlog.get_logger(lease=name)

    @property
    def is_leader(self) -> bool:
        """Return whether the lease was ours within its duration."""
        return self._clock.monotonic() - self._renewed_at < self._duration_s

    async def run(self) -> None:
        """Try to lead, or keep leading, until cancelled; then let the next one lead."""
        try:
            while True:
                led = self.is_leader
                await self._try_safely()
                if self.is_leader and not led:
                    self.elected.set()
                await asyncio.sleep(self._renew_s)
        finally:
            self._renewed_at = float("-inf")
            await _release(
                self._cluster, self._namespace, self._name, identity=self._identity, log=self._log
            )

    async def _try_safely(self) -> None:
        try:
            await self._try()
        except (ConflictError, AlreadyExistsError):
            self._log.debug("another replica was faster")
        except MendflowError as error:
            self._log.debug("lease not renewed", reason=error.reason)

    async def _try(self) -> None:
        body = lease_body(
            self._name,
            identity=self._identity,
            labels={},
            now=self._clock.now(),
            duration_s=self._duration_s,
        )
        lease = await self._cluster.read(LEASE, self._name, namespace=self._namespace)
        # Others count from the write, and we may hear of it late.
        began = self._clock.monotonic()
        if lease is None:
            await self._cluster.create(LEASE, body, namespace=self._namespace)
        else:
            holder = lease["spec"].get("holderIdentity", "")
            self._observer.observe({holder: lease["spec"].get("renewTime", "")})
            if holder not in ("", self._identity) and not self._observer.is_gone(holder):
                return
            body["metadata"]["resourceVersion"] = lease["metadata"]["resourceVersion"]
            await self._cluster.patch(LEASE, self._name, body, namespace=self._namespace)
        self._renewed_at = began


async def _release(
    cluster: Cluster, namespace: str, name: str, *, identity: str, log: FilteringBoundLogger
) -> None:
    """Clear the holder of a lease that is still ours."""
    try:
        async with asyncio.timeout(_RELEASE_S):
            lease = await cluster.read(LEASE, name, namespace=namespace)
            if lease is None or lease["spec"].get("holderIdentity") != identity:
                return
            version = lease["metadata"]["resourceVersion"]
            body: Object = {
                "metadata": {"resourceVersion": version},
                "spec": {"holderIdentity": ""},
            }
            await cluster.patch(LEASE, name, body, namespace=namespace)
    except (MendflowError, TimeoutError) as error:
        log.debug("lease not released", error=str(error))


def lease_body(
    name: str, *, identity: str, labels: Mapping[str, str], now: datetime, duration_s: int
) -> Object:
    """Return a Lease held by `identity` from `now` on."""
    return {
        "apiVersion": LEASE.api_version,
        "kind": LEASE.kind,
        "metadata": {"name": name, "labels": dict(labels)},
        "spec": {
            "holderIdentity": identity,
            "leaseDurationSeconds": duration_s,
            "renewTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        },
    }
