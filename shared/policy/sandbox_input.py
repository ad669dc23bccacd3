"""What an input may be, and how it is written for a worker."""

import math
from typing import Any, Final

import msgspec

LARGEST: Final = 256 * 1024
"""Bytes, as JSON."""
DEEPEST: Final = 100
MOST_VALUES: Final = 50_000
"""More than these take longer to hand over than an evaluation may."""
_LARGEST_NUMBER: Final = 2**63 - 1


class BadInputError(Exception):
    """The input cannot be given to a policy; the message says why."""


def encoded(data: dict[str, Any]) -> bytes:
    """Return an input as JSON.

    Raises:
        BadInputError: too large, too deep, or with a value that JSON does not have or the
            interpreter would change.
    """
    _check(data)
    try:
        text = msgspec.json.encode(data)
    except UnicodeEncodeError:
        raise BadInputError("the input holds a text that is not Unicode") from None
    if len(text) > LARGEST:
        raise BadInputError(f"the input is larger than {LARGEST // 1024} KiB")
    return text


def _check(data: dict[str, Any]) -> None:
    level: list[Any] = [data]
    count = 0
    for _ in range(DEEPEST):
        below: list[Any] = []
        for value in level:
            below.extend(_parts(value))
        count += len(below)
        if count > MOST_VALUES:
            raise BadInputError(f"the input holds more than {MOST_VALUES} values")
        if not below:
            return
        level = below
    raise BadInputError(f"the input is more than {DEEPEST} levels deep")


def _parts(value: object) -> list[Any]:
    """Return what is directly within a value."""
    match value:
        case None | bool() | str():
            return []
        case int() | float():
            _check_number(value)
            return []
        case list() | tuple():
            return list(value)
        case dict():
            if not all(isinstance(key, str) for key in value):
                raise BadInputError("the input holds a key that is not a text")
            return list(value.values())
        case _:
            raise BadInputError(f"the input holds a {type(value).__name__}")


def _check_number(value: float) -> None:
    if isinstance(value, int) and abs(value) > _LARGEST_NUMBER:
        raise BadInputError("the input holds a number of more than 64 bits")
    if isinstance(value, float) and not math.isfinite(value):
        raise BadInputError("the input holds a number that is not finite")
