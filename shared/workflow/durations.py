"""Go-style durations: `90s`, `5m`, `1h30m`, `250ms`."""

import re
from datetime import timedelta
from typing import Final

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_WHOLE: Final = re.compile(r"^(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h))+$")
_SHOWN: Final = 64
"""Characters of a text without sense that a message repeats."""


def parse(text: str) -> timedelta:
    """Return the length of a Go-style duration.

    Raises:
        ValueError: when the text is anything else, such as "5 minutes", or longer than any
            time that can be reckoned with.
    """
    try:
        if _WHOLE.match(text):
            return timedelta(
                seconds=sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
            )
    except OverflowError:
        pass
    message = f"{text[:_SHOWN]!r} is no duration; write it like 90s, 5m or 1h30m"
    raise ValueError(message)


def render(length: timedelta) -> str:
    """Return a duration as seconds with milliseconds, such as `1.250s`."""
    return f"{max(0.0, length.total_seconds()):.3f}s"
