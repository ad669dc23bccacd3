"""Puts the limits that stand in ConfigMaps in force, without a restart."""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from shared.api.meta import ObjectMeta
from shared.kube.port import Object
from shared.limits import LIMITS_CONFIG_MAP, TIMEOUTS_CONFIG_MAP, Problems
from shared.worker.config_maps import ConfigMapRef
from shared.worker.context import Context

_NAMES: Final = (LIMITS_CONFIG_MAP, TIMEOUTS_CONFIG_MAP)
"""Where both hold one key, the later one here wins."""


class LimitsWatch:
    """Keeps the limits of one service as the ConfigMaps say."""

    def __init__(self, context: Context, *, on_change: Callable[[], None]) -> None:
        """Build it; `on_change` is called after each change of a limit."""
        self._context = context
        self._on_change = on_change
        self._found: dict[str, Object] = {}
        self.read = asyncio.Event()
        """Set once what stands in the ConfigMaps is in force, or cannot be known."""

    def listed(self) -> None:
        """Take note that what stands in the ConfigMaps is known, or cannot be."""
        self.read.set()

    def take(self, changed: Object, *, gone: bool) -> None:
        """Put a ConfigMap in force, or what is left without it."""
        name = changed["metadata"]["name"]
        if name not in _NAMES:
            return
        if gone:
            self._found.pop(name, None)
        else:
            self._found[name] = changed
        changes, problems = self._context.limits.take(self._data())
        if changes:
            self._context.log.info("limits changed", config_map=name, changes=changes)
            self._on_change()
        here = _data(changed) if not gone else {}
        self._tell(changed, {key: why for key, why in problems.items() if key in here})

    def _data(self) -> dict[str, str]:
        data: dict[str, str] = {}
        for name in _NAMES:
            data |= _data(self._found.get(name, {}))
        return data

    def _tell(self, about: Object, problems: Problems) -> None:
        """Say what was refused of a ConfigMap, where people look for it."""
        context = self._context
        context.metrics.config_reloaded("refused" if problems else "taken")
        if not problems:
            return
        meta = msgspec.convert(about["metadata"], ObjectMeta)
        told = [f"{key}: {why}" for key, why in problems.items()]
        context.log.warning("limits refused", config_map=meta.name, problems=told)
        context.recorder.warning(
            ConfigMapRef(metadata=meta), reason="InvalidLimit", message="; ".join(told)
        )


def _data(item: Object) -> dict[str, str]:
    return dict(item.get("data") or {})
