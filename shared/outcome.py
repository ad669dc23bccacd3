"""What a handler wants done with the message it was given.

Handlers return one of these and never touch the message itself.
"""

import msgspec


class Ack(msgspec.Struct, frozen=True, kw_only=True):
    """Done, or nothing to do."""

    note: str = ""


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """Look again after `after_s` seconds."""

    reason: str
    after_s: float


class Park(msgspec.Struct, frozen=True, kw_only=True):
    """Take it out of delivery and keep it for a person."""

    reason: str
    message: str = ""


Outcome = Ack | Retry | Park
