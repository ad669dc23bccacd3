"""Whether this process may be given work, as a list of named checks.

Services and adapters report what they find; the probe server only shows it. Written and read
on one event loop, so there is no lock.
"""

from collections.abc import Iterable


class Readiness:
    """Named checks; ready when every one of them is fine."""

    def __init__(self, expected: Iterable[str] = ()) -> None:
        """Begin with `expected` checks failing, since nobody has looked yet."""
        self._failing: dict[str, str] = {}
        self._fine: set[str] = set()
        for name in expected:
            self.set(name, ok=False, reason=f"{name} was not checked yet")

    @property
    def is_ready(self) -> bool:
        """Return whether every check is fine."""
        return not self._failing

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return why it is not ready, one sentence per failing check, sorted by name."""
        return tuple(self._failing[name] for name in sorted(self._failing))

    @property
    def checks(self) -> tuple[str, ...]:
        """Return the names of all checks that were ever set."""
        return tuple(sorted(self._fine | self._failing.keys()))

    def set(self, name: str, ok: bool, reason: str = "") -> None:  # noqa: FBT001 - reads as said
        """Record what a check found; a later call under the same name replaces it."""
        if ok:
            self._failing.pop(name, None)
            self._fine.add(name)
            return
        self._fine.discard(name)
        self._failing[name] = reason or f"{name} is not ready"

    def forget(self, name: str) -> None:
        """Drop a check that no longer applies."""
        self._failing.pop(name, None)
        self._fine.discard(name)

    def stop(self) -> None:
        """Turn readiness off for good: the first thing a stopping process does."""
        self.set("stopping", ok=False, reason="stopping")
