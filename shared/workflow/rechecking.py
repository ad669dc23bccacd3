"""When a condition that does not hold is looked at again (requirements 4.2)."""

from datetime import timedelta
from typing import Final

FIRST: Final = timedelta(seconds=1)
LONGEST: Final = timedelta(seconds=5)
_GROWTH: Final = 1.5
_GROWS: Final = 4
"""After so many times the pause is the longest."""


def pause_after(attempts: int) -> timedelta:
    """Return the pause after so many evaluations: 1 s, then half as long again, up to 5 s."""
    return min(LONGEST, FIRST * _GROWTH ** min(max(attempts, 1) - 1, _GROWS))
