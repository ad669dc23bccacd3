"""Follows the ConfigMaps that hold limits, and puts their values in force without a restart."""

from collections.abc import Callable
from typing import Final

import msgspec

from shared.api.groups import CONFIG_MAP
from shared.api.meta import ObjectMeta
from shared.kube.port import Object
from shared.kube.watch import ListWatch
from shared.limits import LIMITS_CONFIG_MAP, TIMEOUTS_CONFIG_MAP
from shared.worker.context import Context

_NAMES: Final = (LIMITS_CONFIG_MAP, TIMEOUTS_CONFIG_MAP)


class ConfigMapRef(msgspec.Struct, frozen=True, kw_only=True):
    """The ConfigMap an Event is about."""

    api_version: str = CONFIG_MAP.api_version
    kind: str = CONFIG_MAP.kind
    metadata: ObjectMeta


class LimitsWatch:
    """Keeps the limits of one service as the ConfigMaps say."""

    def __init__(self, context: Context, *, on_change: Callable[[], None]) -> None:
        """Build it; `on_change` is called after each change of a limit."""
        self._context = context
        self._on_change = on_change
        self._found: dict[str, Object] = {}

    async def run(self) -> None:
        """Follow until cancelled; without the right to, the limits stay as they are."""
        context = self._context
        watch = ListWatch(
            context.cluster, CONFIG_MAP, namespace=context.system_namespace, clock=context.clock
        )
        async for change in watch.changes():
            name = change.object["metadata"]["name"]
            if name not in _NAMES:
                continue
            if change.type == "DELETED":
                self._found.pop(name, None)
            else:
                self._found[name] = change.object
            self._take(change.object)

    def _take(self, changed: Object) -> None:
        context = self._context
        data: dict[str, str] = {}
        for found in self._found.values():
            data |= found.get("data") or {}
        changes, problems = context.limits.take(data)
        name = changed["metadata"]["name"]
        log = context.log.bind(config_map=name)
        context.metrics.config_reloaded("refused" if problems else "taken")
        if changes:
            log.info("limits changed", changes=changes)
            self._on_change()
        if problems:
            log.warning("limits refused", problems=problems)
            about = ConfigMapRef(metadata=msgspec.convert(changed["metadata"], ObjectMeta))
            context.recorder.warning(about, reason="InvalidLimit", message="; ".join(problems))
