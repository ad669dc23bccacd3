"""The smallest merge patch from one status to another (RFC 7386).

A merge patch replaces lists whole; elements known by name or type keep the fields that this
version does not know, so that a newer writer's fields survive an older one.
"""

from typing import Any

import msgspec

Json = Any


def to_json(value: msgspec.Struct) -> dict[str, Json]:
    """Return plain JSON of a struct without nulls, empty lists and empty objects."""
    plain = msgspec.to_builtins(value, str_keys=True)
    return {key: kept for key, item in plain.items() if not _is_empty(kept := _strip(item))}


def merge_patch(raw: dict[str, Json], before: msgspec.Struct, after: msgspec.Struct) -> Json:
    """Return the patch that turns `before` into `after` on top of the live `raw` object."""
    return _diff(raw, to_json(before), to_json(after))


def _diff(raw: Json, before: dict[str, Json], after: dict[str, Json]) -> dict[str, Json]:
    patch: dict[str, Json] = dict.fromkeys(before.keys() - after.keys())
    for key, value in after.items():
        old = before.get(key)
        if value == old:
            continue
        known = raw.get(key) if isinstance(raw, dict) else None
        if isinstance(value, dict) and isinstance(old, dict):
            patch[key] = _diff(known or {}, old, value)
        elif isinstance(value, list):
            patch[key] = _overlaid(known or [], old or [], value)
        else:
            patch[key] = value
    return patch


def _overlaid(raw: list[Json], before: list[Json], after: list[Json]) -> list[Json]:
    known = {_key(item): item for item in raw if _key(item)}
    old = {_key(item): item for item in before if _key(item)}
    return [
        _patched(known[_key(item)], _diff(known[_key(item)], old.get(_key(item), {}), item))
        if _key(item) in known
        else item
        for item in after
    ]


def _patched(target: Json, patch: Json) -> Json:
    """Apply a merge patch, as the API server does."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _patched(result.get(key), value)
    return result


def _key(item: Json) -> str:
    return str(item.get("name") or item.get("type") or "") if isinstance(item, dict) else ""


def _strip(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: kept for key, item in value.items() if not _is_empty(kept := _strip(item))}
    if isinstance(value, list):
        return [_strip(item) for item in value]
    return value


def _is_empty(value: Json) -> bool:
    return value is None or value in ({}, [])
