"""Fields of an object by path, as JSON texts: read, replaced, compared.

A path is what people write: `spec.replicas`, `metadata.labels[app.kubernetes.io/name]`,
`spec.template.spec.containers[web].image`. In brackets stands the key of a map, or what tells
the elements of a list apart: a name, key and effect of a taint, or a port. An absent field reads
as an empty text.
"""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, Final

import msgspec

from services.executor.core.changes import Object

ABSENT: Final = ""
_TOKEN: Final = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+")
_BRACKETS: Final = re.compile(r"[\[\]]")
_FREE_MAPS: Final = frozenset(
    {
        "labels",
        "annotations",
        "nodeSelector",
        "matchLabels",
        "data",
        "binaryData",
        "limits",
        "requests",
    }
)
"""Maps with keys of many owners: each key is a field of its own, even the first one."""
_KEYED_LISTS: Final = frozenset({"containers", "initContainers", "env", "taints", "volumes"})


def text(value: Any) -> str:
    """Return a value as it stands in a status: JSON with sorted keys."""
    return msgspec.json.encode(value, order="deterministic").decode()


def value(written: str) -> Any:
    """Return the value of a text that is not absent."""
    return msgspec.json.decode(written)


def below(path: str, key: str) -> str:
    """Return the path of a key of a map, or of an element of a list."""
    if not _PLAIN.fullmatch(key):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def element(path: str, key: str) -> str:
    """Return the path of the element of a list that is told apart by `key`."""
    return f"{path}[{key}]"


def read(live: Object, path: str) -> str:
    """Return the value at a path as text; absent where there is none."""
    found: Any = live
    for token in _tokens(path):
        found = _inside(found, token)
        if found is None:
            return ABSENT
    return text(found)


def observed(live: Object, paths: Iterator[str] | Mapping[str, str]) -> dict[str, str]:
    """Return the values at some paths."""
    return {path: read(live, path) for path in paths}


def replaced(live: Object, values: Mapping[str, str]) -> Object:
    """Return the object with other values at some paths; absent ones are taken out."""
    changed = deepcopy(live)
    for path, written in values.items():
        _put(changed, _tokens(path), written)
    return changed


def patch(before: Object, after: Object) -> Object:
    """Return the merge patch (RFC 7386) from one object to another; lists go whole."""
    found: Object = dict.fromkeys(before.keys() - after.keys())
    for key, now in after.items():
        was = before.get(key)
        if now == was:
            continue
        if isinstance(now, dict) and isinstance(was, dict):
            found[key] = patch(was, now)
        else:
            found[key] = now
    return found


def differences(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield each path at which two values differ, with the text of both."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            was, now = before.get(key), after.get(key)
            if key in _FREE_MAPS or _is_plain_selector(key, was or now):
                was, now = _map_beside(was, now), _map_beside(now, was)
            yield from differences(was, now, below(path, key))
    elif _have_same_elements(before, after):
        for was, now in zip(before, after, strict=True):
            yield from differences(was, now, element(path, identity(was)))
    elif before != after:
        yield path, _written(before), _written(after)


def leaves(value: Any, path: str = "") -> Iterator[str]:
    """Yield the path of each value that is no map, and no list whose elements are told apart."""
    if isinstance(value, dict) and value:
        for key in sorted(value):
            yield from leaves(value[key], below(path, key))
    elif _have_same_elements(value, value):
        for item in value:
            yield from leaves(item, element(path, identity(item)))
    else:
        yield path


def identity(item: Any) -> str:
    """Return what tells an element of a list from the others; empty when nothing does.

    Nor does a name with brackets in it, since it could not stand in a path.
    """
    if not isinstance(item, dict):
        return ""
    match item:
        case {"key": key, "effect": effect}:
            found = f"{key}:{effect}"
        case {"name": name}:
            found = str(name)
        case {"port": port}:
            found = f"{port}/{item.get('protocol', 'TCP')}"
        case _:
            return ""
    return "" if _BRACKETS.search(found) else found


def _is_plain_selector(key: str, found: Any) -> bool:
    """Return whether it is the selector of a Service: labels, and nothing else.

    Of other selectors an empty one selects everything, and one that is not there nothing.
    """
    if key != "selector" or not isinstance(found, dict) or not found:
        return False
    return all(isinstance(each, str) for each in found.values())


def _map_beside(found: Any, other: Any) -> Any:
    """Return an empty map for one that is not there while the other is."""
    return {} if found is None and isinstance(other, dict) else found


def _written(found: Any) -> str:
    return ABSENT if found is None else text(found)


def _have_same_elements(before: Any, after: Any) -> bool:
    if not isinstance(before, list) or not isinstance(after, list) or not before:
        return False
    names = [identity(item) for item in before]
    return all(names) and len(set(names)) == len(names) and names == [identity(i) for i in after]


def _tokens(path: str) -> list[str]:
    return [inner or plain for inner, plain in _TOKEN.findall(path)]


def _inside(found: Any, token: str) -> Any:
    if isinstance(found, dict):
        return found.get(token)
    if isinstance(found, list):
        return next((item for item in found if identity(item) == token), None)
    return None


def _put(owner: Any, tokens: list[str], written: str) -> None:
    *parents, last = tokens
    for token in parents:
        inside = _inside(owner, token)
        if inside is None:
            if written == ABSENT:
                return
            inside = _added(owner, token)
        owner = inside
    if isinstance(owner, list):
        _put_element(owner, last, written)
    elif written == ABSENT:
        owner.pop(last, None)
    else:
        owner[last] = value(written)


def _added(owner: Any, token: str) -> Any:
    """Return a new, empty place for what comes below it."""
    if isinstance(owner, list):
        owner.append({"name": token})
        return owner[-1]
    owner[token] = [] if token in _KEYED_LISTS else {}
    return owner[token]


def _put_element(items: list[Any], key: str, written: str) -> None:
    at = next((n for n, item in enumerate(items) if identity(item) == key), None)
    if written == ABSENT:
        if at is not None:
            del items[at]
    elif at is None:
        items.append(value(written))
    else:
        items[at] = value(written)
