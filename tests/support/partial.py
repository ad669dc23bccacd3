"""Parts of objects, for tests: whether they hold, laid over an object, and what is compared.

A part is written as the object itself, with only the fields that matter. None stands for what
is not there. Elements of a list are told apart by their name, or by key and effect.
"""

from copy import deepcopy
from typing import Any, Final

from shared.api.meta import LAST_OPERATIONS_ANNOTATION, LOCKED_BY_ANNOTATION

Object = dict[str, Any]

_OURS: Final = (LAST_OPERATIONS_ANNOTATION, LOCKED_BY_ANNOTATION)
_BY_CONTROLLERS: Final = ("deployment.kubernetes.io/revision", "node.alpha.kubernetes.io/ttl")
_BY_SERVER: Final = ("resourceVersion", "generation", "managedFields")
_NODE_TAINTS: Final = "node.kubernetes.io/"


def holds(live: Any, part: Any) -> bool:
    """Return whether an object has the fields of a part."""
    if isinstance(part, dict):
        known = live if isinstance(live, dict) else {}
        return all(holds(known.get(key), each) for key, each in part.items())
    if _is_keyed(part):
        known = {_key(each): each for each in live or []}
        return all(holds(known.get(_key(each)), each) for each in part)
    return bool(live == part)


def merge_patch(live: Any, part: Any) -> Any:
    """Return the merge patch that lays a part over an object."""
    if isinstance(part, dict):
        known = live if isinstance(live, dict) else {}
        return {key: merge_patch(known.get(key), each) for key, each in part.items()}
    if not _is_keyed(part):
        return deepcopy(part)
    known = {_key(each): each for each in live or []}
    laid = {_key(each): overlaid(known.get(_key(each)) or {}, each) for each in part}
    return list((known | laid).values())


def overlaid(live: Object, part: Object) -> Object:
    """Return an object with the fields of a part."""
    found = dict(live)
    for key, each in merge_patch(live, part).items():
        if each is None:
            found.pop(key, None)
        else:
            found[key] = overlaid(live.get(key) or {}, each) if isinstance(each, dict) else each
    return found


def comparable(live: Object) -> Object:
    """Return what a person or a step may have set of an object; taints in any order."""
    found = deepcopy({key: each for key, each in live.items() if key != "status"})
    meta = found["metadata"]
    for key in _BY_SERVER:
        meta.pop(key, None)
    for key in (*_OURS, *_BY_CONTROLLERS):
        meta.get("annotations", {}).pop(key, None)
    if not meta.get("annotations"):
        meta.pop("annotations", None)
    taints = found.get("spec", {}).pop("taints", [])
    own = sorted(
        (each for each in taints if not each["key"].startswith(_NODE_TAINTS)),
        key=lambda each: (each["key"], each["effect"]),
    )
    return found | ({"taints": own} if own else {})


def _is_keyed(part: Any) -> bool:
    return isinstance(part, list) and bool(part) and all(map(_key, part))


def _key(item: Any) -> str:
    if not isinstance(item, dict):
        return ""
    if "key" in item and "effect" in item:
        return f"{item['key']}:{item['effect']}"
    return str(item.get("name", ""))
