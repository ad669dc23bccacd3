"""An event loop whose clock jumps to the next timer, so that waiting takes no time."""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

T = TypeVar("T")
EPOCH: Final = datetime(2026, 1, 2, tzinfo=UTC)


class _Jump(selectors.DefaultSelector):
    """Passes over the time until the next timer instead of sleeping through it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            message = "everybody waits for somebody else"
            raise RuntimeError(message)
        if not ready and timeout is not None:
            self.now += timeout
        return ready


class VirtualClock:
    """The time of a virtual loop, as the code under test sees it."""

    def __init__(self, jump: _Jump) -> None:
        self._jump = jump

    def now(self) -> datetime:
        """Return wall time."""
        return EPOCH + timedelta(seconds=self._jump.now)

    def monotonic(self) -> float:
        """Return seconds since the loop was made."""
        return self._jump.now


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop for one run."""

    def __init__(self) -> None:
        self._jump = _Jump()
        self.clock = VirtualClock(self._jump)
        super().__init__(self._jump)

    def time(self) -> float:
        """Return virtual seconds."""
        return self._jump.now


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


def virtual_clock() -> VirtualClock:
    """Return the clock of the running virtual loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop.clock
