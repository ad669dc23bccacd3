"""What nodes can take: readiness, cordons, taints, labels."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

Object = Mapping[str, Any]

_KEEPS_OFF: Final = frozenset({"NoSchedule", "NoExecute"})
_CONTROL_PLANE: Final = (
    "node-role.kubernetes.io/control-plane",
    "node-role.kubernetes.io/controlplane",
    "node-role.kubernetes.io/master",
)


def is_ready(node: Object) -> bool:
    """Return whether a node reports that it is ready."""
    conditions = (node.get("status") or {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def is_cordoned(node: Object) -> bool:
    """Return whether a node takes no new pods."""
    return bool((node.get("spec") or {}).get("unschedulable"))


def is_control_plane(node: Object) -> bool:
    """Return whether a node runs the control plane, by its labels."""
    labels = node["metadata"].get("labels") or {}
    return any(label in labels for label in _CONTROL_PLANE)


def is_available(node: Object) -> bool:
    """Return whether a node is ready and not cordoned."""
    return is_ready(node) and not is_cordoned(node)


def takes(node: Object, pod_spec: Object) -> bool:
    """Return whether a node is available and none of its taints keeps pods of a spec off."""
    taints = (node.get("spec") or {}).get("taints") or []
    tolerations = pod_spec.get("tolerations") or []
    return is_available(node) and all(
        taint["effect"] not in _KEEPS_OFF or any(_tolerates(each, taint) for each in tolerations)
        for taint in taints
    )


def matches(node: Object, pod_spec: Object) -> bool:
    """Return whether a node has the labels that the node selector of a spec asks for."""
    labels = node["metadata"].get("labels") or {}
    wanted: Mapping[str, str] = pod_spec.get("nodeSelector") or {}
    return all(labels.get(key) == value for key, value in wanted.items())


def named(nodes: Iterable[Object], name: str) -> Object | None:
    """Return the node of a name, or None."""
    return next((node for node in nodes if node["metadata"]["name"] == name), None)


def _tolerates(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") not in {None, "", taint["effect"]}:
        return False
    key: str = toleration.get("key", "")
    if toleration.get("operator", "Equal") == "Exists":
        return key in {"", taint["key"]}
    values: set[str] = {toleration.get("value", ""), taint.get("value", "")}
    return key == str(taint["key"]) and len(values) == 1
