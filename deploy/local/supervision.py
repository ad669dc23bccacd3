"""Starts components again that ended by themselves, as the kubelet does on a control plane.

They count on it: kube-scheduler, for one, exits on purpose when it finds that what it knows of
pods is wrong, which may happen after the API server was away.
"""

import threading
import time
from collections.abc import Sequence
from typing import Final

from deploy.local.process import Component

PAUSE_S: Final = 1.0
"""Seconds before the first new start; each further one waits twice as long."""
TRIES: Final = 5
"""After that many starts in a row a component is lost."""
_SETTLED_S: Final = 60.0
_LOOK_EVERY_S: Final = 0.1


class Supervisor:
    """One thread that looks after all components."""

    def __init__(
        self, components: Sequence[Component], *, pause_s: float = PAUSE_S, tries: int = TRIES
    ) -> None:
        """Name the components; nobody looks after them yet."""
        self._cares = [_Care(each, pause_s, tries) for each in components]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def start(self) -> None:
        """Look after the components from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Start nothing any more."""
        self._over.set()
        self._thread.join()

    def lost(self) -> Component | None:
        """Return a component that ended so often that nobody starts it again."""
        return next((each.component for each in self._cares if each.is_lost), None)

    def _run(self) -> None:
        while not self._over.wait(_LOOK_EVERY_S):
            for each in self._cares:
                each.look(time.monotonic())


class _Care:
    """How often one component was started again, and when it may be the next time."""

    def __init__(self, component: Component, pause_s: float, tries: int) -> None:
        self.component = component
        self.is_lost = False
        self._pause_s = pause_s
        self._tries = tries
        self._starts = 0
        self._due: float | None = None
        self._started = float("-inf")

    def look(self, now: float) -> None:
        """Start the component again if it ended by itself, and if it is time to."""
        if not self.component.ended_by_itself():
            self.is_lost, self._due = False, None
        elif self._due is None:
            if now - self._started > _SETTLED_S:
                self._starts = 0
            self._due = now + self._pause_s * 2**self._starts
        elif self._starts == self._tries:
            self.is_lost = True
        elif now >= self._due:
            self._starts, self._started, self._due = self._starts + 1, now, None
            self.component.revive()
