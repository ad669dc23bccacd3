"""Who ran out of bounds too often, and rests for a while: policies, and tenants."""

from collections import OrderedDict
from typing import Final

from shared.clock import Clock

STRIKES: Final = 3
"""In a row, however long that took, or within the window."""
WINDOW_S: Final = 300.0
REST_S: Final = 300.0
_MOST_KNOWN: Final = 4096


class _Record:
    """What one of them did."""

    def __init__(self) -> None:
        self.in_a_row = 0
        self.strikes: list[float] = []
        self.rests_until = 0.0


class Quarantine:
    """Counts by name; what has not misbehaved for longest is forgotten first."""

    def __init__(self, clock: Clock, *, strikes: int = STRIKES) -> None:
        """Take after how many strikes, in a row or within the window, one rests."""
        self._clock = clock
        self._strikes = strikes
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def rests_s(self, name: str) -> float:
        """Return for how many more seconds it must not run; 0 when it may."""
        record = self._records.get(name)
        return max(0.0, record.rests_until - self._clock.monotonic()) if record else 0.0

    def is_suspect(self, name: str) -> bool:
        """Return whether it ran out of bounds within the window."""
        record, now = self._records.get(name), self._clock.monotonic()
        return record is not None and any(now - each < WINDOW_S for each in record.strikes)

    def strike(self, name: str) -> None:
        """Count that it took too long, too much memory, or its worker's life."""
        now = self._clock.monotonic()
        record = self._records.setdefault(name, _Record())
        self._records.move_to_end(name)
        record.in_a_row += 1
        record.strikes = [each for each in record.strikes if now - each < WINDOW_S] + [now]
        if record.in_a_row >= self._strikes or len(record.strikes) >= self._strikes:
            record.rests_until = now + REST_S
            record.in_a_row, record.strikes = 0, []
        while len(self._records) > _MOST_KNOWN:
            self._records.popitem(last=False)

    def behaved(self, name: str) -> None:
        """Note that it kept within its bounds."""
        record = self._records.get(name)
        if record:
            record.in_a_row = 0
