"""What becomes of a message: one pure function over what its handler returned or raised."""

from typing import Final

import msgspec

from shared.errors import FencedError, PermanentError, TransientError
from shared.outcome import Ack, Outcome, Park, Retry

MAX_DELIVERIES: Final = 8
"""A message that was delivered more often is parked before it is handled again."""
_MAX_BACKOFF_S: Final = 60.0
_MAX_MESSAGE: Final = 256


class Forget(msgspec.Struct, frozen=True, kw_only=True):
    """Answer nothing: whoever holds the claim now gets the redelivery."""


Answer = Outcome | Forget


def answer(result: Outcome | Exception, *, tries: int, spread: float = 1.0) -> Answer:
    """Return what to do with the messages a handler was given.

    Args:
        result: what the handler returned, or raised.
        tries: how often these messages were handled by now, deliveries included.
        spread: what a back-off is multiplied by, so that many do not come back at once.
    """
    match result:
        case Ack() | Retry() | Park():
            return result
        case FencedError():
            return Forget()
        case TransientError(reason=reason, retry_after_s=after):
            wait = backoff_s(tries) * spread if after is None else after
            return Retry(reason=reason, after_s=wait)
        case PermanentError(reason=reason):
            return Park(reason=reason, message=str(result)[:_MAX_MESSAGE])
        case _ if tries > MAX_DELIVERIES:
            return Park(reason="Crashed", message=type(result).__name__)
        case _:
            return Retry(reason="Crashed", after_s=backoff_s(tries) * spread)


def backoff_s(tries: int) -> float:
    """Return a wait that doubles with each try, up to a minute."""
    return min(_MAX_BACKOFF_S, 2.0 ** min(max(tries - 1, 0), 10))
