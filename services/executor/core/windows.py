"""How many requests may be in flight: as many as the API server takes well.

As in TCP: a little more after each round that went well, half as many when the server says
that it is too much (429, 503), or when its answers take several times as long as they did
at best. Requests that were sent before a cut tell nothing of the time after it.
"""

from typing import Final

import msgspec

LOWEST: Final = 4
HIGHEST: Final = 64
_START: Final = 8
_STEP: Final = 4
_RISE: Final = 4.0
"""How many times its best the latency may be: some of it is only the queue that we make."""
_SLACK_S: Final = 0.1
"""A rise of less is noise, whatever it is in relation."""
_PAUSE_S: Final = 1.0
"""What too many requests cost at least."""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """The bound as it stands, and the round that it is judged by. Times are monotonic."""

    size: int = _START
    best_s: float | None = None
    """The mean latency of the best round so far."""
    counted: int = 0
    counted_s: float = 0.0
    """How many answers the round has, and how long they took in all."""
    since: float = float("-inf")
    """The last cut; answers to earlier requests do not count."""
    closed_until: float = float("-inf")


def may_send(window: Window, *, in_flight: int, now: float) -> bool:
    """Return whether one more request may go."""
    return in_flight < window.size and now >= window.closed_until


def answered(window: Window, *, sent: float, now: float) -> Window:
    """Return the window after an answer that does not speak of load; sent and come at."""
    if sent < window.since:
        return window
    counted, counted_s = window.counted + 1, window.counted_s + now - sent
    if counted < window.size:
        return msgspec.structs.replace(window, counted=counted, counted_s=counted_s)
    mean_s = counted_s / counted
    best_s = mean_s if window.best_s is None else min(window.best_s, mean_s)
    if mean_s > max(_RISE * best_s, best_s + _SLACK_S):
        # With so few in flight it is not our queue: that is how fast the server is now.
        best_s = mean_s if window.size == LOWEST else best_s
        return msgspec.structs.replace(_cut(window, now), best_s=best_s)
    grown = min(HIGHEST, window.size + _STEP)
    return msgspec.structs.replace(window, size=grown, best_s=best_s, counted=0, counted_s=0.0)


def throttled(
    window: Window, *, sent: float, now: float, retry_after_s: float | None = None
) -> Window:
    """Return the window after the server said that it is too much."""
    pause = max(_PAUSE_S, retry_after_s or 0.0)
    closed = max(window.closed_until, now + pause)
    cut = window if sent < window.since else _cut(window, now)
    return msgspec.structs.replace(cut, closed_until=closed)


def _cut(window: Window, now: float) -> Window:
    size = max(LOWEST, window.size // 2)
    return msgspec.structs.replace(window, size=size, counted=0, counted_s=0.0, since=now)
