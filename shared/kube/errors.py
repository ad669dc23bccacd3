"""The one translator from what the Kubernetes client raises to our own errors.

Looks at code *and* reason: a 409 on create means the name is taken, a 409 on a write means
somebody was faster, and a 500 that says the request is too large will never pass.
"""

import re
from http import HTTPStatus
from typing import Any, Final

import msgspec

from shared.errors import (
    AlreadyExistsError,
    ConflictError,
    MendflowError,
    NotFoundError,
    PermanentError,
    TransientError,
)

OVERLOAD: Final = "TooManyRequests"
"""Reason of what is refused under load: it was not carried out, and is not on its way."""
_MAX_MESSAGE = 256
_DENIAL: Final = re.compile(r'User "[^"]*" cannot ')
_MANAGER: Final = re.compile(r'conflict with "([^"]*)"')
_OVER_QUOTA: Final = "exceeded quota:"
"""What the quota admission says; its code and reason are those of a missing right."""
_SEVERAL_BUDGETS: Final = "more than one PodDisruptionBudget"
"""What an eviction is answered with code 500 that will be, until a person takes one away."""

_NOT_UNDERSTOOD: Final = (
    "failed to create typed patch object",
    "does not contain declared merge key",
    "list element types are not identical",
    "unknown patch type",
    "unable to find api field",
)
"""What is answered with code 500, and would be for ever: the patch itself is wrong."""
_DUMPS: Final = tuple(
    (re.compile(pattern, re.DOTALL), instead)
    for pattern, instead in (
        (r' value: "(?:map\[|\[|\{).*"(?=: )', " value"),
        (r" value: (?:map\[|[\[{&]|[\w.]+\{).*[\]}](?=: )", " value"),
        (r", got &.*", ""),
        (r"map: map\[.*\](?= does not contain)", "an element of a list"),
        (r"(?<=list element types are not identical): .*", ""),
        (r" in map: map\[.*", ""),
    )
)
"""Where a refusal repeats whole objects, and so the values that containers are given."""

_NO_IMPERSONATION: Final = "cannot impersonate"
_OPT_IN: Final = "not opted in for this action, see `mendflow namespace --help`"


class WatchExpiredError(TransientError):
    """The version a watch or a list started from is gone (410): list anew."""


class DisruptionBudgetError(TransientError):
    """An eviction would leave fewer pods than a disruption budget asks for: try it later."""

    def __init__(
        self, reason: str, message: str, *, refusal: str, retry_after_s: float | None = None
    ) -> None:
        self.refusal = refusal
        """What the budget asks for, by its name, without the request that it refused."""
        super().__init__(reason, message, retry_after_s=retry_after_s)


class NamespaceTerminatingError(PermanentError):
    """Nothing is made in a namespace that is being ended, and no pod evicted: it goes anyway."""


_MEANING: Final[dict[int, tuple[type[MendflowError], str]]] = {
    HTTPStatus.UNAUTHORIZED: (TransientError, "Unauthorized"),
    HTTPStatus.NOT_FOUND: (NotFoundError, "NotFound"),
    HTTPStatus.CONFLICT: (ConflictError, "Conflict"),
    HTTPStatus.GONE: (WatchExpiredError, "Expired"),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (PermanentError, "TooLarge"),
}


class ApiStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The `Status` object in the body of a refused request."""

    message: str = ""
    reason: str = ""
    code: int = 0
    details: dict[str, Any] | None = None


def parse_status(body: bytes) -> ApiStatus:
    """Return the Status in an error body; an empty one when there is none."""
    try:
        return msgspec.json.decode(body, type=ApiStatus)
    except msgspec.DecodeError:
        return ApiStatus(message=body[:_MAX_MESSAGE].decode(errors="replace"))


def is_denial(body: bytes) -> bool:
    """Return whether the body of a 403 says that a right is missing, not that admission refused."""
    return _DENIAL.search(parse_status(body).message) is not None


def translate(code: int, body: bytes, *, request: str, retry_after: str = "") -> MendflowError:
    """Return the error that a refused request stands for.

    Args:
        code: HTTP status code.
        body: response body.
        request: verb and resource, for the message.
        retry_after: value of the Retry-After header, in seconds.
    """
    status = _without_dumps(parse_status(body))
    message = f"{request}: {status.message}"[:_MAX_MESSAGE]
    if code == HTTPStatus.TOO_MANY_REQUESTS:
        return _too_many(status, message, retry_after)
    if code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _broken(code, status, message)
    return _refused(code, status, message)


def conflicting_managers(body: bytes) -> set[str]:
    """Return who owns the fields that an apply was refused for; nobody for other answers."""
    causes = (parse_status(body).details or {}).get("causes") or []
    found = (
        _MANAGER.match(str(cause.get("message", "")))
        for cause in causes
        if cause.get("reason") == "FieldManagerConflict"
    )
    return {match[1] if match else "" for match in found}


def _without_dumps(status: ApiStatus) -> ApiStatus:
    """Return what was said without the objects that it repeats; their fields are named."""
    message = status.message
    for pattern, instead in _DUMPS:
        message = pattern.sub(instead, message)
    return msgspec.structs.replace(status, message=message)


def _refused(code: int, status: ApiStatus, message: str) -> MendflowError:
    """Return what a request did wrong, by code, reason and cause."""
    if status.reason == "AlreadyExists":
        return AlreadyExistsError("AlreadyExists", message)
    if code == HTTPStatus.CONFLICT and _cause(status, "FieldManagerConflict") is not None:
        return PermanentError("FieldConflict", message)
    if code == HTTPStatus.FORBIDDEN:
        return _forbidden(status, message)
    kind, reason = _MEANING.get(code, (PermanentError, "Invalid"))
    return kind(reason, message)


def _broken(code: int, status: ApiStatus, message: str) -> MendflowError:
    if "too large" in status.message:
        return PermanentError("TooLarge", message)
    if any(phrase in status.message for phrase in _NOT_UNDERSTOOD):
        return PermanentError("Invalid", message)
    if _SEVERAL_BUDGETS in status.message:
        refusal = status.message[:_MAX_MESSAGE]
        return DisruptionBudgetError("MisconfiguredPDB", message, refusal=refusal)
    # A 500 is an answer to this request (a webhook that fails); the rest says "later".
    answered = code == HTTPStatus.INTERNAL_SERVER_ERROR
    return TransientError("InternalError" if answered else "ApiUnavailable", message)


def _forbidden(status: ApiStatus, message: str) -> PermanentError:
    if _OVER_QUOTA in status.message:
        return PermanentError("QuotaExceeded", message)
    if _cause(status, "NamespaceTerminating") is not None:
        return NamespaceTerminatingError("NamespaceTerminating", message)
    if _NO_IMPERSONATION in status.message:
        message = f"{_OPT_IN}: {message}"[:_MAX_MESSAGE]
    return PermanentError("Forbidden", message)


def _too_many(status: ApiStatus, message: str, retry_after: str) -> TransientError:
    wait = float(retry_after) if retry_after.isdigit() else None
    cause = _cause(status, "DisruptionBudget")
    if cause is not None:
        refusal = (cause.get("message") or status.message)[:_MAX_MESSAGE]
        return DisruptionBudgetError(
            "DisruptionBudget", message, refusal=refusal, retry_after_s=wait
        )
    return TransientError(OVERLOAD, message, retry_after_s=wait)


def _cause(status: ApiStatus, reason: str) -> dict[str, Any] | None:
    causes: list[dict[str, Any]] = (status.details or {}).get("causes") or []
    return next((each for each in causes if each.get("reason") == reason), None)
