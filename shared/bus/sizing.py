"""How large a message is to the server: the limit covers headers and body together.

The client only looks at the body. A message above the limit makes the server close the
connection, and sending it again would close the next one.
"""

from collections.abc import Mapping
from typing import Final

_FRAME: Final = len(b"NATS/1.0\r\n\r\n")
_PER_HEADER: Final = len(b": \r\n")


def wire_size(data: bytes, headers: Mapping[str, str]) -> int:
    """Return the bytes that count against the server's `max_payload`."""
    if not headers:
        return len(data)
    lines = sum(len(f"{key}{value}".encode()) + _PER_HEADER for key, value in headers.items())
    return len(data) + _FRAME + lines
