"""The operations stamped on a target: who changed it last, under which fence.

A bounded list in one annotation, newest first: `<op>/<fence>/<claimFence>/<version>`, the
last one being the version of the target that it was made on. Finding our own
operation means the effect was done already; writing it moves the target's version, which is
what makes a frozen predecessor's late write fail.
"""

from typing import Any, Final

import msgspec

from shared.api.meta import LAST_OPERATIONS_ANNOTATION

KEPT: Final = 8
"""Longer than the steps one workflow has in flight by default, so that none is pushed out."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One stamped change."""

    id: str
    fence: int
    claim_fence: int
    version: str = ""
    """Version of the target it was made on; empty for its creation."""


def read(target: dict[str, Any]) -> list[Operation]:
    """Return the operations stamped on an object; what cannot be read is left out."""
    text = target.get("metadata", {}).get("annotations", {}).get(LAST_OPERATIONS_ANNOTATION, "")
    found = (_parse(part) for part in text.split(","))
    return [operation for operation in found if operation is not None]


def is_stamped(target: dict[str, Any], operation_id: str) -> bool:
    """Return whether the operation was already done on this object."""
    return find(target, operation_id) is not None


def find(target: dict[str, Any], operation_id: str) -> Operation | None:
    """Return an operation as it is stamped on an object, or None where it is not."""
    return next((each for each in read(target) if each.id == operation_id), None)


def stamped(target: dict[str, Any], operation: Operation) -> str:
    """Return the annotation's value with `operation` in front and its older self removed."""
    others = [known for known in read(target) if known.id != operation.id]
    return ",".join(_render(each) for each in [operation, *others][:KEPT])


def _render(operation: Operation) -> str:
    return f"{operation.id}/{operation.fence}/{operation.claim_fence}/{operation.version}"


def _parse(text: str) -> Operation | None:
    match text.split("/"):
        case [id_, fence, claim, version] if fence.isdigit() and claim.isdigit():
            return Operation(id=id_, fence=int(fence), claim_fence=int(claim), version=version)
        case _:
            return None
