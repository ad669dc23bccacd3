"""The limits that workflows run under: defaults, where values come from, which are in force.

Requirements 5.1 and 5.3 name them and their defaults. The environment wins over the
ConfigMaps, and those over the defaults. A value that makes no sense changes nothing: what
was in force before stays.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

import msgspec

from shared.workflow import durations

LIMITS_CONFIG_MAP: Final = "kubernaut-workflowexecution-config"
TIMEOUTS_CONFIG_MAP: Final = "workflow-execution-config"


Problems = dict[str, str]
"""What is wrong, by the key that it stands under."""


class GitOps(StrEnum):
    """What becomes of a change to what a GitOps tool owns."""

    REFUSE = "refuse"
    NOTE = "note"
    """It is made, and the step's safety result says whose it is."""


Value = float | timedelta | GitOps


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Every limit, with its default."""

    max_parallel_steps: int = 5
    """Steps in flight per workflow at most."""
    approval_threshold: int = 10
    """More steps than this wait for a person's approval."""
    qps: float = 20.0
    """API requests per second of one service; 0 means no limit."""
    burst: int = 30
    """API requests at once after a pause."""
    approval_timeout: timedelta = timedelta(minutes=15)
    """How long an approval is waited for."""
    planning_timeout: timedelta = timedelta(seconds=30)
    max_steps: int = 100
    """Steps a workflow may have."""
    max_dependency_depth: int = 100
    """Steps that may wait for each other in a row."""
    workflow_timeout_small: timedelta = timedelta(minutes=10)
    """Of workflows of 1 to 3 steps."""
    workflow_timeout_medium: timedelta = timedelta(minutes=20)
    """Of workflows of 4 to 10 steps."""
    workflow_timeout_large: timedelta = timedelta(minutes=45)
    """Of workflows of 11 steps and more."""
    rollback_step_timeout: timedelta = timedelta(minutes=5)
    rollback_timeout: timedelta = timedelta(minutes=15)
    rollback_max_attempts: int = 3
    gitops: GitOps = GitOps.REFUSE


_BOUNDS: Final = {"max_steps": (1, 100), "max_dependency_depth": (1, 100), "qps": (0, 100_000)}
_OTHERWISE: Final = (1, 10_000)
_HOURS: Final = 8760
_LONGEST: Final = timedelta(hours=_HOURS)
_SHOWN: Final = 64
"""Characters of a value without sense that a message repeats."""
_ALIASES: Final = {
    "max-concurrent-steps": "max_parallel_steps",
    "complexity-approval-threshold": "approval_threshold",
    "kubernetes-qps": "qps",
    "kubernetes-burst": "burst",
}
_KEYS: Final = {name.replace("_", "-"): name for name in Limits.__struct_fields__} | _ALIASES


def merged(
    base: Limits, in_force: Limits, data: Mapping[str, str], *, pinned: frozenset[str]
) -> tuple[Limits, Problems]:
    """Return the limits that ConfigMaps ask for, and what is wrong with them.

    Args:
        base: from the environment and the defaults.
        in_force: what holds now; stays for a key whose value makes no sense.
        data: the merged data of the ConfigMaps.
        pinned: fields that the environment sets; no ConfigMap changes them.
    """
    values: dict[str, Any] = {}
    problems: Problems = {}
    for key, text in data.items():
        field = _KEYS.get(key)
        if field is None:
            problems[key] = f"there is no such limit; use {', '.join(sorted(_KEYS))}"
        elif field not in pinned:
            kept = getattr(in_force, field)
            try:
                values[field] = _parsed(field, text)
            except ValueError as error:
                values[field] = kept
                problems[key] = f"{error}; {_shown(kept)} stays in force"
    return msgspec.structs.replace(base, **values), problems


def difference(before: Limits, after: Limits) -> list[str]:
    """Return what changed, as `name: old -> new`."""
    return [
        f"{name}: {_shown(getattr(before, name))} -> {_shown(getattr(after, name))}"
        for name in Limits.__struct_fields__
        if getattr(before, name) != getattr(after, name)
    ]


class LiveLimits:
    """The limits in force; they may change at any time."""

    def __init__(self, limits: Limits, *, pinned: frozenset[str] = frozenset()) -> None:
        self.current = limits
        self._base = limits
        self._pinned = pinned
        self._listeners: list[Callable[[Limits], None]] = []

    def on_change(self, listener: Callable[[Limits], None]) -> None:
        """Tell a listener of each change from now on."""
        self._listeners.append(listener)

    def take(self, data: Mapping[str, str]) -> tuple[list[str], Problems]:
        """Put in force what ConfigMaps ask for; return what changed, and what is wrong."""
        after, problems = merged(self._base, self.current, data, pinned=self._pinned)
        changes = difference(self.current, after)
        self.current = after
        if changes:
            for listener in self._listeners:
                listener(after)
        return changes, problems


def _parsed(field: str, text: str) -> Value:
    default, shown = getattr(Limits(), field), text[:_SHOWN]
    if isinstance(default, GitOps):
        if text.strip() not in set(GitOps):
            raise ValueError(f"{shown!r} must be {' or '.join(GitOps)}")
        return GitOps(text.strip())
    if isinstance(default, timedelta):
        length = durations.parse(text.strip())
        if not timedelta(0) < length <= _LONGEST:
            raise ValueError(f"{shown!r} must be more than zero, and {_HOURS}h at most")
        return length
    lowest, highest = _BOUNDS.get(field, _OTHERWISE)
    kind = type(default)
    try:
        value: float = kind(text.strip())
    except ValueError:
        word = "number" if kind is float else "whole number"
        raise ValueError(f"{shown!r} is no {word}") from None
    if not lowest <= value <= highest:
        raise ValueError(f"{shown!r} must be from {lowest} to {highest}")
    return value


def _shown(value: Value) -> str:
    if isinstance(value, GitOps):
        return value
    return f"{value.total_seconds():g}s" if isinstance(value, timedelta) else f"{value:g}"
