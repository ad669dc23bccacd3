"""The ledger of an execution: every request that changed the cluster, in order."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec

from shared.api.execution import EffectRecord
from shared.api.groups import SECRET, Kind
from shared.api.meta import LAST_OPERATIONS_ANNOTATION, LOCKED_BY_ANNOTATION

_OURS: Final = (LAST_OPERATIONS_ANNOTATION, LOCKED_BY_ANNOTATION)
_DIGITS: Final = 16


def digest(kind: Kind, body: Any) -> str:
    """Return a digest of what is sent, without what we stamp on it.

    Of a Secret there is none: of short values it would give away what they are.
    """
    if kind == SECRET:
        return ""
    content = dict(body) if isinstance(body, dict) else body
    if isinstance(content, dict):
        meta = dict(content.get("metadata") or {})
        for key in ("uid", "resourceVersion"):
            meta.pop(key, None)
        notes = {k: v for k, v in (meta.get("annotations") or {}).items() if k not in _OURS}
        meta = {k: v for k, v in meta.items() if k != "annotations"}
        content["metadata"] = meta | ({"annotations": notes} if notes else {})
    return sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()[:_DIGITS]


def bears_no_change(record: EffectRecord, kind: Kind) -> bool:
    """Return whether a patch set nothing but marks of ours, or may have: the taking of a lock."""
    return record.digest in ("", digest(kind, {}))


def answered(
    records: Sequence[EffectRecord], position: int, *, uid: str, version: str
) -> list[EffectRecord]:
    """Return the records with the answer to one of them."""
    done = msgspec.structs.replace(
        records[position], uid=uid, resource_version_after=version, answered=True
    )
    return [*records[:position], done, *records[position + 1 :]]


def without(records: Sequence[EffectRecord], position: int) -> list[EffectRecord]:
    """Return the records without one that was refused."""
    return [*records[:position], *records[position + 1 :]]


def seen(
    records: Sequence[EffectRecord], kind: Kind, *, name: str, uid: str, before: str
) -> list[EffectRecord]:
    """Return the records with a change that shows on its target: it is known to be made.

    Who made it may have been killed before it could write that down; what version it led to
    is then not known.
    """
    for position, each in enumerate(records):
        about = (each.kind, each.name, each.resource_version_before) == (kind.kind, name, before)
        if about and each.uid in ("", uid):
            known = msgspec.structs.replace(each, uid=uid, answered=True)
            return [*records[:position], known, *records[position + 1 :]]
    record = EffectRecord(
        verb="patch" if before else "create",
        kind=kind.kind,
        name=name,
        uid=uid,
        resource_version_before=before,
    )
    return [*records, record]
