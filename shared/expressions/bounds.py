"""What keeps an expression from taking too much time or memory.

The library bounds depth and iterations, but it cannot be stopped once it runs, puts texts
and lists together without limit, and compiles a pattern again at each use. So what could
be repeated is bounded beforehand: the worst found that passes takes a second or two.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from shared.expressions.errors import ExpressionError
from shared.expressions.text import masked

LONGEST: Final = 1024
"""Characters of an expression."""
_LONGEST_WITH_MACRO: Final = 512
_MOST_SUMS_IN_MACRO: Final = 4
_MOST_PATTERNS: Final = 8
_LONGEST_PATTERN_IN_MACRO: Final = 64
_LONGEST_TEXT: Final = 4096
_MOST_ENTRIES: Final = 128
_MOST_VALUES: Final = 512
_TOO_LARGE: Final = "too large for all, exists, exists_one, filter and map"

_COSTLY: Final = re.compile(rf"[{{\\]|.{{{_LONGEST_PATTERN_IN_MACRO + 1}}}", re.DOTALL)
"""Repetitions and classes of Unicode letters, which an escape could also spell."""
_MACRO: Final = re.compile(r"\.\s*(?:all|exists|exists_one|filter|map)\s*\(")
_MATCHES: Final = re.compile(r"\bmatches\s*\(")
_PATTERN: Final = re.compile(r"\s*[rR]?(\"_*\"|'_*')\s*\)")


def check_text(text: str) -> None:
    """Refuse an expression that could take too long, whatever the data.

    Raises:
        ExpressionError: saying what to do about it.
    """
    if len(text) > LONGEST:
        raise ExpressionError(f"{len(text)} characters, more than the {LONGEST} allowed")
    bare = masked(text)
    patterns = _patterns(text, bare)
    if len(patterns) > _MOST_PATTERNS:
        raise ExpressionError(f"{len(patterns)} times matches, at most {_MOST_PATTERNS} allowed")
    macros = len(_MACRO.findall(bare))
    if macros > 1:
        raise ExpressionError("use at most one of all, exists, exists_one, filter and map")
    if macros:
        _check_repeated(bare, patterns)


def check_data(text: str, scope: Mapping[str, Any]) -> None:
    """Refuse data that is too large for an expression that walks a list.

    Steps are not looked at: what they report is bounded by the schema.

    Raises:
        ExpressionError: naming what is too large.
    """
    if not _MACRO.search(masked(text)):
        return
    for root, value in scope.items():
        if root != "steps" and _counted(value, root) > _MOST_VALUES:
            raise ExpressionError(f"{root} holds more than {_MOST_VALUES} values: {_TOO_LARGE}")


def _check_repeated(bare: str, patterns: list[str]) -> None:
    if len(bare) > _LONGEST_WITH_MACRO:
        raise ExpressionError(f"at most {_LONGEST_WITH_MACRO} characters with a macro")
    if bare.count("+") > _MOST_SUMS_IN_MACRO:
        raise ExpressionError(f"at most {_MOST_SUMS_IN_MACRO} + beside a macro")
    if len(patterns) > 1 or any(_COSTLY.search(p) for p in patterns):
        raise ExpressionError(
            "beside a macro, use one pattern at most, of up to "
            f"{_LONGEST_PATTERN_IN_MACRO} characters and without {{ or \\"
        )


def _patterns(text: str, bare: str) -> list[str]:
    """Return the literals that are matched against; data never makes a pattern."""
    found = []
    for match in _MATCHES.finditer(bare):
        literal = _PATTERN.match(bare, match.end())
        if literal is None:
            raise ExpressionError('write a pattern as it is: text.matches("^web-[0-9]+$")')
        found.append(text[slice(*literal.span(1))][1:-1])
    return found


def _counted(value: Any, path: str) -> int:
    """Return how many values there are, each list, map and text being of a bounded size."""
    match value:
        case str() if len(value) > _LONGEST_TEXT:
            raise ExpressionError(f"{path} is longer than {_LONGEST_TEXT}: {_TOO_LARGE}")
        case list() | dict() if len(value) > _MOST_ENTRIES:
            raise ExpressionError(f"{path} has more than {_MOST_ENTRIES} entries: {_TOO_LARGE}")
        case list():
            return 1 + sum(_counted(each, path) for each in value)
        case dict():
            return 1 + sum(_counted(each, f"{path}.{key}") for key, each in value.items())
        case _:
            return 1
