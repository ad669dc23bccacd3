"""Quantities as Kubernetes writes them (500m, 1Gi, 2e3), as exact numbers."""

import re
from fractions import Fraction
from functools import lru_cache
from typing import Final

from shared.errors import PermanentError

_QUANTITY: Final = re.compile(
    r"(?P<number>[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40}))"
    r"((?P<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?P<exponent>[+-]?\d{1,3}))?",
    re.ASCII,
)
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_SUFFIXES: Final[dict[str, Fraction]] = {
    suffix: Fraction(10) ** power for suffix, power in _DECIMAL.items()
} | {f"{letter}i": Fraction(1024) ** power for power, letter in enumerate("KMGTPE", start=1)}


@lru_cache(maxsize=4096)
def parsed(quantity: str | int) -> Fraction:
    """Return what a quantity stands for, exactly: cores, or bytes.

    Raises:
        PermanentError: when it is not a quantity.
    """
    found = _QUANTITY.fullmatch(str(quantity))
    if found is None:
        raise PermanentError("NotAQuantity", f"{str(quantity)[:64]!r} is not a quantity")
    number = Fraction(found["number"])
    if found["exponent"]:
        return number * Fraction(10) ** int(found["exponent"])
    return number * _SUFFIXES.get(found["suffix"] or "", Fraction(1))


def is_less(one: str, other: str) -> bool:
    """Return whether a quantity is less than another. Raises PermanentError."""
    return parsed(one) < parsed(other)
