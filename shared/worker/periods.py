"""Periods that do not beat in step: the same jitter for every loop."""

import random
from typing import Final

_JITTER: Final = 0.2


def jittered(period_s: float) -> float:
    """Return the period, up to 20 % longer or shorter, so that replicas spread out."""
    return period_s * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - jitter only
