"""What becomes of a message: one pure function over what its handler returned or raised."""

import random
from typing import Final

import msgspec

from shared.errors import FencedError, PermanentError, TransientError
from shared.outcome import Ack, Outcome, Park, Retry

MAX_DELIVERIES: Final = 8
"""A message that was delivered more often is parked before it is handled again."""
_MAX_BACKOFF_S: Final = 60.0


class Forget(msgspec.Struct, frozen=True, kw_only=True):
    """Answer nothing: whoever holds the claim now gets the redelivery."""


Answer = Outcome | Forget


def answer(result: Outcome | Exception, *, tries: int) -> Answer:
    """Return what to do with the messages a handler was given.

    Args:
        result: what the handler returned, or raised.
        tries: how often these messages were handled by now, deliveries included.
    """
    match result:
        case Ack() | Retry() | Park():
            return result
        case FencedError():
            return Forget()
        case TransientError(reason=reason, retry_after_s=after):
            return Retry(reason=reason, after_s=after or backoff_s(tries))
        case PermanentError(reason=reason):
            return Park(reason=reason, message=str(result)[:256])
        case _ if tries > MAX_DELIVERIES:
            return Park(reason="Crashed", message=type(result).__name__)
        case _:
            return Retry(reason="Crashed", after_s=backoff_s(tries))


def backoff_s(tries: int) -> float:
    """Return a growing, jittered wait of at most a minute and a half."""
    spread = random.uniform(0.5, 1.5)  # noqa: S311, TID251 - jitter only
    return min(_MAX_BACKOFF_S, 2.0 ** min(tries - 1, 10)) * spread
