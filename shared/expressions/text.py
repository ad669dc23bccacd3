"""The text of an expression before it is compiled: step names and references.

Step names hold hyphens, which CEL reads as minus: `steps.scale-web.result` is rewritten to
`steps["scale-web"].result`. Nothing inside a string literal or a comment is touched.
"""

import re
from typing import Final

import msgspec

from shared.expressions.errors import ExpressionError

LITERAL: Final = re.compile(
    r'"""(?:[^\\]|\\.)*?"""'
    r"|'''(?:[^\\]|\\.)*?'''"
    r'|"(?:[^"\\\r\n]|\\.)*"'
    r"|'(?:[^'\\\r\n]|\\.)*'",
    re.DOTALL,
)
_HIDDEN: Final = re.compile(rf"{LITERAL.pattern}|//[^\n]*", re.DOTALL)
_STEP: Final = re.compile(r"\bsteps\s*\.\s*([a-z0-9](?:[-a-z0-9]*[a-z0-9])?)")
_LOOKUP: Final = re.compile(r"\b(steps|vars)\b(?:\s*\.\s*(\w+)|\s*\[\s*(\"_*\"|'_*')\s*\])?")
_OWNER: Final = re.compile(r"[\w`\"')\]}]\s*\.\s*$")
_OPERATOR: Final = re.compile(r"\bin\s*\.\s*$")


class References(msgspec.Struct, frozen=True, kw_only=True):
    """What an expression looks up by name."""

    steps: frozenset[str]
    variables: frozenset[str]


def masked(text: str) -> str:
    """Return the text with literals and comments blanked out, each letter at its place."""
    return _HIDDEN.sub(_mask, text)


def normalised(text: str) -> str:
    """Return the text as CEL reads it."""
    bare = masked(text)
    parts, end = [], 0
    for match in _STEP.finditer(bare):
        if not _is_field(bare, match.start()):
            parts += [text[end : match.start()], f'steps["{match.group(1)}"]']
            end = match.end()
    return "".join([*parts, text[end:]])


def references(normal: str) -> References:
    """Return the steps and variables that a normalised expression names.

    Raises:
        ExpressionError: when it looks one up by anything but its name.
    """
    found: dict[str, set[str]] = {"steps": set(), "vars": set()}
    bare = masked(normal)
    for match in _LOOKUP.finditer(bare):
        if _is_field(bare, match.start()):
            continue
        root, name = match.group(1), match.group(2) or normal[slice(*match.span(3))][1:-1]
        if not name:
            raise ExpressionError(f"name what to look up: {root}.<name>")
        found[root].add(name)
    return References(steps=frozenset(found["steps"]), variables=frozenset(found["vars"]))


def _mask(match: re.Match[str]) -> str:
    hidden = match.group()
    if hidden.startswith("//"):
        return " " * len(hidden)
    return hidden[0] + "_" * (len(hidden) - 2) + hidden[0]


def _is_field(bare: str, place: int) -> bool:
    """Return whether the name there belongs to what stands before it: `rr.vars`."""
    before = bare[:place]
    return bool(_OWNER.search(before)) and not _OPERATOR.search(before)
