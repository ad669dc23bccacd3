"""Splits Rego text into tokens, and refuses what no honest policy is written with.

Reads the text from left to right and never descends, so no text can exhaust a stack.
"""

import re
from typing import Final, NamedTuple

MOST_NESTED: Final = 200
"""Brackets within brackets."""


class Unreadable(Exception):  # noqa: N818 - says what the text is
    """The text is not a policy; the message says why, and where."""


class Token(NamedTuple):
    """One word or sign."""

    kind: str
    """`name`, `number`, `text` or `sign`."""
    text: str
    line: int
    depth: int
    """Brackets it is within."""
    leads: bool
    """Whether it stands first on its line, or after a `;`."""
    glued: bool
    """Whether nothing stands between it and the token before."""


_TOKEN: Final = re.compile(
    r"""(?P<gap>[ \t\r]+|\#[^\n]*)
    |(?P<line>\n)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![A-Za-z0-9_.]))
    |(?P<text>"(?:[^"\\\n]|\\["\\bfnrt])*"|`[^`]*`)
    |(?P<sign>:=|==|!=|<=|>=|[-+*/%&|<>=:;,.\[\](){}])""",
    re.VERBOSE,
)


def tokens(text: str) -> list[Token]:
    r"""Return the tokens of a module.

    Raises:
        Unreadable: a character, text or number that is not Rego, or brackets that are too
            deep or do not match. `\u` and `\/` in a text are refused as well, because the
            interpreter does not find such a text equal to the same text in the input.
    """
    found: list[Token] = []
    opened: list[str] = []
    at, line, leads, glued = 0, 1, True, False
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise Unreadable(f"line {line}: cannot read {text[at : at + 12]!r}")
        at = match.end()
        kind, word = str(match.lastgroup), match[0]
        if kind in {"gap", "line"}:
            glued = False
            leads = leads or kind == "line"
            line += kind == "line"
            continue
        if kind == "sign":
            _bracket(word, opened, line)
        found.append(Token(kind, word, line, len(opened), leads, glued))
        line += word.count("\n")
        leads, glued = word == ";", True
    if opened:
        raise Unreadable(f"{opened[-1]} is missing at the end")
    return found


def _bracket(sign: str, opened: list[str], line: int) -> None:
    closing = {"(": ")", "[": "]", "{": "}"}.get(sign)
    if closing:
        opened.append(closing)
        if len(opened) > MOST_NESTED:
            raise Unreadable(f"line {line}: more than {MOST_NESTED} brackets deep")
    elif sign in {")", "]", "}"} and (not opened or opened.pop() != sign):
        raise Unreadable(f"line {line}: {sign} closes nothing")
