"""Objects of our kinds as Structs: decoding, what a creator sends, and the swap of a status."""

from typing import Any, Final, TypeVar

import msgspec

from shared.api.groups import Kind
from shared.api.meta import ObjectMeta
from shared.errors import ContractError
from shared.kube.apply import merge_patch, to_json
from shared.kube.port import Cluster, Object

T = TypeVar("T", bound=msgspec.Struct)

_SET_BY_CREATORS: Final = ("name", "namespace", "labels", "annotations", "ownerReferences")


def decoded(raw: Object, struct: type[T]) -> T:
    """Return a raw object as a Struct. Raises ContractError when it does not fit."""
    try:
        return msgspec.convert(raw, struct)
    except msgspec.ValidationError as error:
        raise ContractError("Undecodable", str(error)) from error


def new_body(value: msgspec.Struct) -> Object:
    """Return what creates an object: no status, and of its metadata what creators set."""
    body = to_json(value)
    body.pop("status", None)
    meta = body["metadata"]
    body["metadata"] = {key: meta[key] for key in _SET_BY_CREATORS if key in meta}
    return body


async def swap_status(
    cluster: Cluster,
    kind: Kind,
    meta: ObjectMeta,
    *,
    raw: dict[str, Any],
    before: msgspec.Struct,
    after: msgspec.Struct,
) -> Object:
    """Write the difference of two statuses onto the version that was read.

    Args:
        cluster: the API server.
        kind: which kind it is.
        meta: metadata of the object as read.
        raw: its status as read, with fields that this version may not know.
        before: the same, typed.
        after: what it should be.

    Returns the object as it is afterwards. Raises ConflictError, NotFoundError.
    """
    body: Object = {
        "metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version},
        "status": merge_patch(raw, before, after),
    }
    return await cluster.patch(
        kind, meta.name, body, namespace=meta.namespace, subresource="status"
    )
