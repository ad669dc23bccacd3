"""The forms that patches are written in."""

from enum import StrEnum


class Form(StrEnum):
    """How the body of a patch is to be read; the values are its content types."""

    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    JSON = "application/json-patch+json"
    APPLY = "application/apply-patch+yaml"
