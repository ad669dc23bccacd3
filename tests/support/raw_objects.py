"""Raw objects as an API server sends them, as far as policy inputs read them."""

from collections.abc import Mapping, Sequence
from typing import Any

Object = dict[str, Any]


def node(
    name: str = "n1",
    *,
    cpu: str = "4",
    memory: str = "8Gi",
    ready: bool = True,
    cordoned: bool = False,
    labels: Mapping[str, str] | None = None,
    taints: Sequence[Mapping[str, str]] = (),
) -> Object:
    """Return a node."""
    return {
        "metadata": {"name": name, "labels": dict(labels or {})},
        "spec": {"unschedulable": cordoned, "taints": [dict(taint) for taint in taints]},
        "status": {
            "allocatable": {"cpu": cpu, "memory": memory},
            "conditions": [{"type": "Ready", "status": "True" if ready else "Unknown"}],
        },
    }


def container(cpu: str = "", memory: str = "", **more: object) -> Object:
    """Return a container that asks for some CPU and memory, or for nothing."""
    asked = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value}
    return {"name": "app", "resources": {"requests": asked}, **more}


def pod(
    name: str = "web-1",
    *,
    on: str = "n1",
    phase: str = "Running",
    ready: bool = True,
    containers: Sequence[Object] = (),
    states: Sequence[Object] = (),
    terminating: bool = False,
) -> Object:
    """Return a pod; `states` are the statuses of its containers."""
    leaving = {"deletionTimestamp": "2026-01-02T03:04:05Z"} if terminating else {}
    return {
        "metadata": {"name": name, **leaving},
        "spec": {"nodeName": on, "containers": list(containers)},
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": list(states),
        },
    }


def waiting(reason: str) -> Object:
    """Return the status of a container that waits."""
    return {"state": {"waiting": {"reason": reason}}}


def ended(reason: str, *, code: int = 1, last: bool = False) -> Object:
    """Return the status of a container that ended, now or before its latest start."""
    over = {"terminated": {"reason": reason, "exitCode": code}}
    return {"state": {"running": {}}, "lastState": over} if last else {"state": over}


def deployment(
    name: str = "web",
    *,
    replicas: int | None = 2,
    generation: int = 1,
    observed: int = 1,
    conditions: Mapping[str, str] | None = None,
    pod_spec: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Object:
    """Return a Deployment; `conditions` holds statuses by type."""
    counted = {} if replicas is None else {"replicas": replicas}
    return {
        "metadata": {
            "name": name,
            "namespace": "default",
            "generation": generation,
            "labels": dict(labels or {}),
            "annotations": dict(annotations or {}),
        },
        "spec": {
            **counted,
            "selector": {"matchLabels": {"app": name}},
            "template": {"spec": dict(pod_spec or {"containers": [container("500m", "512Mi")]})},
        },
        "status": {
            "observedGeneration": observed,
            "conditions": [
                {"type": type_, "status": status} for type_, status in (conditions or {}).items()
            ],
        },
    }
