"""What must not leave the process in clear: by the name of a key, or by the look of a value.

Patterns, not proof: a secret that looks like a word passes. Values of Secrets are therefore
kept out of logs, events and statuses at their source; this catches what slips through.
"""

import re
from typing import Final

REDACTED: Final = "[redacted]"

_SECRET_KEY: Final = re.compile(
    r"(?i)(passw(or)?d|passphrase|secret|authorization|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|credential|(access|bearer|auth|id|refresh)[_-]?token|^token$|^key$)"
)
_SECRET_VALUES: Final = (
    # A JSON web token: header and payload both begin with '{"' in base64.
    re.compile(r"eyJ[\w-]{5,}\.eyJ[\w-]{5,}\.[\w-]*"),
    # An access key id of AWS.
    re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    # The user part of a connection string; some have a password and no user.
    re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL),
    re.compile(r"(?i)\bbearer\s+[\w.~+/=-]{8,}"),
    re.compile(r"(?i)(?<=authorization: basic )[\w+/=-]+"),
    re.compile(r"(?i)(?<=password=)[^\s&;,]+"),
    re.compile(r"(?i)(?<=token=)[^\s&;,]+"),
)


def redact(text: str) -> str:
    """Return `text` with everything that looks like a secret replaced."""
    for pattern in _SECRET_VALUES:
        text = pattern.sub(REDACTED, text)
    return text


def redact_value(key: str, value: object) -> object:
    """Return a value fit to be logged under `key`; only text is looked at."""
    if not isinstance(value, str):
        return value
    return REDACTED if value and _SECRET_KEY.search(key) else redact(value)
