"""What the client library raises, in our words. Nothing of nats-py passes the bus."""

from typing import Final

import nats.errors
from nats.js.errors import APIError

from shared.errors import MendflowError, PermanentError, TransientError

LIBRARY: Final = (nats.errors.Error, TimeoutError, OSError)
"""Everything a call on a connection may raise. Timeouts come bare at times."""

_STORE_FAILED: Final = 10077
_TOO_LARGE: Final = 10054


def is_already_queued(error: Exception) -> bool:
    """Return whether a command was refused because the same one is still waiting.

    The code alone does not say so: the server uses it for every failed write, a full disk too.
    """
    return (
        isinstance(error, APIError)
        and error.err_code == _STORE_FAILED
        and "per subject" in (error.description or "")
    )


def translate(error: Exception, *, doing: str) -> MendflowError:
    """Return the error of ours that says what the library's means."""
    too_large = isinstance(error, APIError) and error.err_code == _TOO_LARGE
    if too_large or isinstance(error, nats.errors.MaxPayloadError):
        return PermanentError("TooLarge", f"{doing}: {error}")
    return TransientError("BusUnavailable", f"{doing}: {error!r}")
