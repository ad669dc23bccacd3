"""Kubernetes Events on an object: told once each, in the background, never in the way."""

import asyncio
from hashlib import sha256
from typing import Final, Protocol

import structlog

from shared.api.groups import EVENT
from shared.api.meta import ObjectMeta
from shared.clock import Clock
from shared.errors import AlreadyExistsError, MendflowError
from shared.kube.port import Cluster

_MAX_MESSAGE: Final = 1024
_MAX_NAME: Final = 230


class Involved(Protocol):
    """What an Event can be about."""

    @property
    def api_version(self) -> str:
        """Return its group and version."""
        ...

    @property
    def kind(self) -> str:
        """Return its kind."""
        ...

    @property
    def metadata(self) -> ObjectMeta:
        """Return what names it."""
        ...


class EventRecorder:
    """Writes Events about objects; the name is derived, so a repeat is the same Event."""

    def __init__(self, cluster: Cluster, *, component: str, clock: Clock) -> None:
        self._cluster = cluster
        self._component = component
        self._clock = clock
        self._pending: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger(component=component)

    def normal(self, about: Involved, *, reason: str, message: str) -> None:
        """Tell that something went as it should."""
        self._start(about, "Normal", reason, message)

    def warning(self, about: Involved, *, reason: str, message: str) -> None:
        """Tell that something needs attention."""
        self._start(about, "Warning", reason, message)

    async def flush(self) -> None:
        """Wait until everything told so far is written or given up."""
        await asyncio.gather(*self._pending)

    def _start(self, about: Involved, type_: str, reason: str, message: str) -> None:
        task = asyncio.get_running_loop().create_task(self._write(about, type_, reason, message))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _write(self, about: Involved, type_: str, reason: str, message: str) -> None:
        meta = about.metadata
        identity = sha256(f"{meta.uid}/{reason}/{message}".encode()).hexdigest()[:16]
        now = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.kind,
            "metadata": {
                "name": f"{meta.name[:_MAX_NAME]}.{identity}",
                "namespace": meta.namespace,
            },
            "involvedObject": {
                "apiVersion": about.api_version,
                "kind": about.kind,
                "name": meta.name,
                "namespace": meta.namespace,
                "uid": meta.uid,
            },
            "type": type_,
            "reason": reason,
            "message": message[:_MAX_MESSAGE],
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            await self._cluster.create(EVENT, body, namespace=meta.namespace)
        except AlreadyExistsError:
            return
        except MendflowError as error:
            self._log.debug("event not written", reason=error.reason, error=str(error))
