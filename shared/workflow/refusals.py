"""What a refusal of the API server means to a step (requirements 2.2)."""

from types import MappingProxyType
from typing import Final

from shared.api.enums import ErrorType
from shared.errors import MendflowError

_TYPES: Final = MappingProxyType(
    {
        "Forbidden": ErrorType.PERMISSION_DENIED,
        "NamespaceTerminating": ErrorType.PERMISSION_DENIED,
        "Invalid": ErrorType.VALIDATION_ERROR,
        "NotFound": ErrorType.RESOURCE_NOT_FOUND,
        "AlreadyExists": ErrorType.RESOURCE_CONFLICT,
        "FieldConflict": ErrorType.RESOURCE_CONFLICT,
        "TooLarge": ErrorType.VALIDATION_ERROR,
        "NotAQuantity": ErrorType.VALIDATION_ERROR,
        "QuotaExceeded": ErrorType.RESOURCE_QUOTA_EXCEEDED,
    }
)


def error_type_of(error: MendflowError) -> ErrorType:
    """Return the type of error that a step fails with; what is not known stays unknown."""
    return _TYPES.get(error.reason, ErrorType.UNKNOWN_ERROR)
