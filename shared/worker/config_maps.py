"""Follows the ConfigMaps of the system namespace once, for everything that is set in some."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from shared.api.groups import CONFIG_MAP
from shared.api.meta import ObjectMeta
from shared.kube.port import Object
from shared.kube.watch import ListWatch
from shared.worker.context import Context


class ConfigMapRef(msgspec.Struct, frozen=True, kw_only=True):
    """The ConfigMap an Event is about."""

    api_version: str = CONFIG_MAP.api_version
    kind: str = CONFIG_MAP.kind
    metadata: ObjectMeta


class Follower(Protocol):
    """What takes its values from ConfigMaps, and knows their names."""

    def take(self, changed: Object, *, gone: bool) -> None:
        """Take note of a ConfigMap, whichever it is, as it now is or was when it went."""
        ...

    def listed(self) -> None:
        """Take note that all there are were told, or that there is no right to see them."""
        ...


class ConfigMapsWatch:
    """Tells its followers of each change."""

    def __init__(self, context: Context, followers: Sequence[Follower]) -> None:
        self._followers = followers
        self._watch = ListWatch(
            context.cluster,
            CONFIG_MAP,
            namespace=context.system_namespace,
            clock=context.clock,
            on_listed=self._listed,
        )

    async def run(self) -> None:
        """Follow until cancelled; without the right to, everything stays as it is."""
        async for change in self._watch.changes():
            for follower in self._followers:
                follower.take(change.object, gone=change.type == "DELETED")

    def _listed(self) -> None:
        for follower in self._followers:
            follower.listed()
