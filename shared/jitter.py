"""Waits that do not beat in step: the one place where chance enters the product.

Chance spreads load over time here, and decides nothing.
"""

import random


def around(seconds: float, *, by: float) -> float:
    """Return `seconds`, longer or shorter by up to the share `by` (0.5: half as long again)."""
    return random.uniform(seconds * (1 - by), seconds * (1 + by))  # noqa: S311 - spreads waits


def between(low: float, high: float) -> float:
    """Return something from `low` to `high`."""
    return random.uniform(low, high)  # noqa: S311 - spreads waits
