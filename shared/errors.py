"""The roots of every error that crosses a module border.

Adapters translate what their library raises into one of these; `shared.bus.answering`
alone decides what becomes of the message. Denied, not yet and not found are values,
never errors.
"""


class CannotStartError(RuntimeError):
    """A process cannot work as it was set up; the message says why and what to do."""


class MendflowError(Exception):
    """Root of all expected errors. `reason` is a CamelCase word fit for a metric label."""

    def __init__(self, reason: str, message: str = "") -> None:
        self.reason = reason
        super().__init__(message or reason)


class TransientError(MendflowError):
    """Will pass: timeout, 429, 5xx, no responders."""

    def __init__(
        self, reason: str, message: str = "", *, retry_after_s: float | None = None
    ) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(reason, message)


class ConflictError(TransientError):
    """Somebody wrote first: read again and decide again, never resend the old value."""


class PermanentError(MendflowError):
    """Will never pass as it is: refused by schema, forbidden, too large."""


class AlreadyExistsError(PermanentError):
    """A create met an object of that name; compare owner and spec hash before judging."""


class NotFoundError(PermanentError):
    """The object to write is gone. Reads return None instead."""


class ContractError(PermanentError):
    """A message or object cannot be decoded, or comes from an unknown version."""


class FencedError(MendflowError):
    """Our claim or lease is gone: stop acting and answer nothing."""
