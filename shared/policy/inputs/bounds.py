"""How large an input may be."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from shared.errors import PermanentError

MAX_BYTES: Final = 256 * 1024
_MAX_PAIRS: Final = 128
_MAX_VALUE: Final = 512


def bounded(data: dict[str, Any]) -> dict[str, Any]:
    """Return an input as it is. Raises PermanentError when it takes more than 256 KiB."""
    size = len(msgspec.json.encode(data))
    if size > MAX_BYTES:
        raise PermanentError("InputTooLarge", f"the input would take {size} bytes")
    return data


def pairs(given: Mapping[str, str] | None, *, of: str) -> dict[str, str]:
    """Return labels or annotations, with long values cut to 512 characters.

    None is ever left out, since a policy may deny by one that it sees.

    Raises:
        PermanentError: when there are more than 128; `of` says of what.
    """
    found = given or {}
    if len(found) > _MAX_PAIRS:
        raise PermanentError("InputTooLarge", f"{of}: {len(found)} are more than {_MAX_PAIRS}")
    return {key: value[:_MAX_VALUE] for key, value in found.items()}
