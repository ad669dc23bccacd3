"""Which policies ran out of bounds too often, and rest for a while."""

from collections import OrderedDict
from typing import Final

from shared.clock import Clock

STRIKES: Final = 3
"""In a row, however long that took, or within the window."""
WINDOW_S: Final = 300.0
REST_S: Final = 300.0
_MOST_KNOWN: Final = 4096


class _Record:
    """What one policy did."""

    def __init__(self) -> None:
        self.in_a_row = 0
        self.strikes: list[float] = []
        self.rests_until = 0.0


class Quarantine:
    """Counts by digest; what has not misbehaved for longest is forgotten first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def rests_s(self, digest: str) -> float:
        """Return for how many more seconds a policy must not run; 0 when it may."""
        record = self._records.get(digest)
        return max(0.0, record.rests_until - self._clock.monotonic()) if record else 0.0

    def strike(self, digest: str) -> None:
        """Count that a policy took too long, too much memory, or its worker's life."""
        now = self._clock.monotonic()
        record = self._records.setdefault(digest, _Record())
        self._records.move_to_end(digest)
        record.in_a_row += 1
        record.strikes = [each for each in record.strikes if now - each < WINDOW_S] + [now]
        if record.in_a_row >= STRIKES or len(record.strikes) >= STRIKES:
            record.rests_until = now + REST_S
            record.in_a_row, record.strikes = 0, []
        while len(self._records) > _MOST_KNOWN:
            self._records.popitem(last=False)

    def behaved(self, digest: str) -> None:
        """Note that a policy kept within its bounds."""
        record = self._records.get(digest)
        if record:
            record.in_a_row = 0
