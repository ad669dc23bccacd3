"""The text of an expression before it is compiled: step names, references, bounds.

Step names hold hyphens, which CEL reads as minus: `steps.scale-web.result` is rewritten to
`steps["scale-web"].result`. Nothing inside a string literal is touched.
"""

import re
from collections.abc import Callable, Collection
from typing import Final

import msgspec

from shared.expressions.errors import ExpressionError

LONGEST: Final = 1024
"""Characters of an expression."""
_MOST_SUMS_IN_MACRO: Final = 16
"""Text is put together anew for each element of a list: this bounds the memory for it."""
_LITERAL: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')
_MACRO: Final = re.compile(r"\.\s*(all|exists|exists_one|filter|map)\s*\(")
_STEP: Final = re.compile(r"\bsteps\s*\.\s*([a-z0-9](?:[-a-z0-9]*[a-z0-9])?)")
_LOOKUP: Final = re.compile(r"\b(steps|vars)\b\s*(\.\s*(\w+)|\[\s*(\"[^\"]*\"|'[^']*')\s*\])?")


class References(msgspec.Struct, frozen=True, kw_only=True):
    """What an expression looks up by name."""

    steps: frozenset[str]
    variables: frozenset[str]


def normalised(text: str, steps: Collection[str]) -> str:
    """Return the text as CEL reads it.

    Raises:
        ExpressionError: when it is too long, or could take too much time or memory.
    """
    if len(text) > LONGEST:
        raise ExpressionError(f"{len(text)} characters, more than the {LONGEST} allowed")
    bare = _LITERAL.sub('""', text)
    macros = len(_MACRO.findall(bare))
    if macros > 1:
        raise ExpressionError("use at most one of all, exists, exists_one, filter and map")
    if macros and bare.count("+") > _MOST_SUMS_IN_MACRO:
        raise ExpressionError(f"at most {_MOST_SUMS_IN_MACRO} + beside a macro")
    return _outside_literals(text, lambda part: _STEP.sub(lambda m: _indexed(m, steps), part))


def references(normal: str) -> References:
    """Return the steps and variables that a normalised expression names.

    Raises:
        ExpressionError: when it looks one up by anything but its name.
    """
    found: dict[str, set[str]] = {"steps": set(), "vars": set()}
    for match in _LOOKUP.finditer(normal):
        if _in_literal(normal, match.start()) or _is_field(normal, match.start()):
            continue
        root, name = match.group(1), match.group(3) or (match.group(4) or "")[1:-1]
        if not name:
            raise ExpressionError(f"name what to look up: {root}.<name>")
        found[root].add(name)
    return References(steps=frozenset(found["steps"]), variables=frozenset(found["vars"]))


def _indexed(match: re.Match[str], steps: Collection[str]) -> str:
    """Return the lookup of the longest known step name that the text begins with."""
    written = match.group(1)
    name = written
    while name not in steps and "-" in name:
        name = name.rpartition("-")[0]
    if name not in steps:
        name = written
    return f'steps["{name}"]{written[len(name) :]}'


def _outside_literals(text: str, change: Callable[[str], str]) -> str:
    parts, end = [], 0
    for literal in _LITERAL.finditer(text):
        parts += [change(text[end : literal.start()]), literal.group()]
        end = literal.end()
    return "".join([*parts, change(text[end:])])


def _in_literal(text: str, place: int) -> bool:
    return any(m.start() < place < m.end() for m in _LITERAL.finditer(text))


def _is_field(text: str, place: int) -> bool:
    return text[:place].rstrip().endswith(".")
