"""What of a container's log is kept: its end, without secrets, fit for any terminal.

Pure. What is cut off at the front may have been the beginning of a secret, so what is left of
that line goes too. Values of Secrets that a pod was given are not known here: a program that
prints one is not found out, unless it looks like a secret.
"""

import re
import unicodedata
from typing import Final

from shared.telemetry.redaction import REDACTED, redact

READ_BYTES: Final = 16 * 1024
"""What is read of a log: enough that the kept end is not where it was cut."""
KEPT_BYTES: Final = 4096

_SEQUENCE: Final = re.compile(
    # CSI (colours, cursor), OSC and its like (titles, links, clipboard), and the short ones.
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|\x1b[PX\]^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)"
    # In one character they also come of quotes in a wrong encoding: those take no lines along.
    # None is looked for inside of another, so that many of them are read in one go.
    r"|[\x90\x98\x9d-\x9f][^\n\x07\x1b\x9c\x90\x98\x9d-\x9f]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]?"
)
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_KEY: Final = "PRIVATE KEY-----"
_HEADLESS: Final = re.compile(r"\A[\s\S]*-----END [A-Z ]*PRIVATE KEY-----")
_ENDLESS: Final = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*\Z")
"""A key of which the log has only the end or the beginning, once whole ones are replaced."""


def kept(text: str) -> str:
    """Return what is kept of the end of a log.

    Args:
        text: `READ_BYTES` of it at most; with as many, it is taken to be cut.
    """
    whole = len(text.encode(errors="replace")) < READ_BYTES
    plain = _SEQUENCE.sub("", (text if whole else _after_the_cut(text)).replace("\r\n", "\n"))
    shown = "".join(map(_visible, plain)).strip("\n")
    return _tail(_without_secrets(shown))


def _after_the_cut(text: str) -> str:
    first, end_of_line, rest = text.partition("\n")
    if end_of_line:
        return rest
    # One endless line: only the word that was cut is lost.
    return first.partition(" ")[2]


def _without_secrets(text: str) -> str:
    if _KEY in text:
        text = _ENDLESS.sub(REDACTED, _HEADLESS.sub(REDACTED, redact(text)))
    return redact(text)


def _visible(character: str) -> str:
    """Return a character that shows what it is; of the others, how it is written."""
    if character in "\n\t" or unicodedata.category(character) not in _INVISIBLE:
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004 - a byte


def _tail(text: str) -> str:
    data = text.encode()
    if len(data) <= KEPT_BYTES:
        return text
    cut = data[-KEPT_BYTES:].decode(errors="ignore")
    first, end_of_line, rest = cut.partition("\n")
    return rest if end_of_line and rest else first
