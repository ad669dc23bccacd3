"""Puts each good version of the ConfigMap that holds policies in force at once.

A version is all of the ConfigMap or nothing of it. While one is checked, the one before stays
in force; when others come meanwhile, only the latest counts.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from shared.api.meta import ObjectMeta
from shared.errors import TransientError
from shared.kube.port import Object
from shared.policy.library import Library, LivePolicies
from shared.policy.loading import Problems, loaded
from shared.policy.naming import CONFIG_MAP as NAME
from shared.policy.port import PolicyEngine
from shared.policy.shipped import defaults
from shared.waiting import happened
from shared.worker.config_maps import ConfigMapRef
from shared.worker.context import Context

_AGAIN_S: Final = 1.0
_REFUSED_AGAIN_S: Final = 360.0
"""Longer than a policy rests that ran out of bounds, as any may on a busy machine."""
_MOST_TOLD: Final = 16
"""Keys that one Event speaks of."""


class PoliciesWatch:
    """Keeps the policies of one service as the ConfigMap says."""

    def __init__(
        self,
        context: Context,
        *,
        engine: PolicyEngine,
        live: LivePolicies,
        on_change: Callable[[], None],
        refused_again_s: float = _REFUSED_AGAIN_S,
    ) -> None:
        """Build it.

        Args:
            context: the world, and where to tell what was refused.
            engine: checks every text before it counts.
            live: what is in force; begins with the policies that ship.
            on_change: called after each change of what is in force.
            refused_again_s: after how long a version that was refused is checked once more.
        """
        self._context = context
        self._engine = engine
        self._live = live
        self._on_change = on_change
        self._refused_again_s = refused_again_s
        self._found: Object | None = None
        self._about: Object | None = None
        """The last version seen, also when it is gone: Events are about it."""
        self._is_new = asyncio.Event()
        self._is_listed = False
        self._refused: Problems = {}
        """What was last said to be wrong with the version at hand."""
        self.read = asyncio.Event()
        """Set once what stands in the ConfigMap is in force, or cannot be known."""

    def take(self, changed: Object, *, gone: bool) -> None:
        """Have a version of the ConfigMap checked, or its absence taken note of."""
        if changed["metadata"]["name"] != NAME:
            return
        self._about = changed
        self._found = None if gone else changed
        self._is_new.set()

    def listed(self) -> None:
        """Take note that the ConfigMap was told if there is one, or cannot be seen."""
        if not self._is_listed and self._about is None:
            self._context.log.warning("no policies of its own", config_map=NAME, uses="defaults")
            self.read.set()
        self._is_listed = True

    async def run(self) -> None:
        """Put one version after the other in force until cancelled; leave out overtaken ones."""
        while True:
            await self._something_to_check()
            version = self._found
            try:
                result = await self._checked(version)
            except TransientError as error:
                self._context.log.warning("policies not checked yet", why=str(error))
                await asyncio.sleep(_AGAIN_S)
                self._is_new.set()
                continue
            if self._is_new.is_set():
                continue
            if isinstance(result, Library):
                self._take(result, gone=version is None)
            else:
                self._refuse(result)
            self.read.set()

    async def _something_to_check(self) -> None:
        """Wait for a version; one that was refused is checked again after a while."""
        if self._refused:
            await happened(self._is_new, within_s=self._refused_again_s)
        else:
            await self._is_new.wait()
        if self._is_new.is_set():
            self._refused = {}
        self._is_new.clear()

    async def _checked(self, version: Object | None) -> Library | Problems:
        if version is None:
            return defaults()
        labels = version["metadata"].get("labels") or {}
        return await loaded(_data(version), labels, engine=self._engine)

    def _take(self, library: Library, *, gone: bool) -> None:
        context, changes = self._context, self._live.swap(library)
        self._refused = {}
        context.metrics.policies_reloaded("defaults" if gone else "taken")
        if gone:
            context.log.warning("policies deleted", config_map=NAME, uses=library.revision)
            self._warn("PoliciesDeleted", "the policies that ship are in force instead")
        elif changes:
            context.log.info("policies changed", config_map=NAME, revision=library.revision)
        if changes:
            self._on_change()

    def _refuse(self, problems: Problems) -> None:
        """Say what is wrong with a version, where people look for it."""
        if problems == self._refused:
            return
        self._refused = problems
        context, kept = self._context, self._live.current.revision
        context.metrics.policies_reloaded("refused")
        told = [f"{key}: {why}" for key, why in list(problems.items())[:_MOST_TOLD]]
        context.log.warning("policies refused", config_map=NAME, problems=told, kept=kept)
        self._warn("InvalidPolicies", f"{kept} stays in force; " + "; ".join(told))

    def _warn(self, reason: str, message: str) -> None:
        if self._about is not None:
            meta = msgspec.convert(self._about["metadata"], ObjectMeta)
            self._context.recorder.warning(
                ConfigMapRef(metadata=meta), reason=reason, message=message
            )


def _data(version: Mapping[str, Any]) -> dict[str, object]:
    """Return what stands under each key; what is not text stays something else."""
    binary = dict.fromkeys(version.get("binaryData") or {}, b"")
    return {**(version.get("data") or {}), **binary}
