"""Pods in trouble that their Deployment does not mind, so that only conditions notice."""

import json
from typing import Final

from tests.support.kubectl import Kubectl, Object, eventually

CRASHING: Final[Object] = {
    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
    "restartCount": 7,
}
KILLED: Final[Object] = {"lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}
RUNNING: Final[Object] = {"state": {"running": {}}, "lastState": {}}


def pods_of(kubectl: Kubectl, target: str, *, count: int = 2) -> list[Object]:
    """Wait until a Deployment has so many pods, all of them ready, and return them."""
    return eventually(
        lambda: kubectl.items("pods", selector=f"app={target}"),
        lambda found: len(found) == count and all(_is_ready(pod) for pod in found),
    )


def put_container(kubectl: Kubectl, pod: Object, **fields: Object) -> None:
    """Change what the status of a pod says of its container; the pod stays ready."""
    (container,) = pod["status"]["containerStatuses"]
    _patch(kubectl, pod, {"containerStatuses": [container | fields]})


def put_phase(kubectl: Kubectl, pod: Object, phase: str) -> None:
    """Change the phase of a pod, which stays ready."""
    _patch(kubectl, pod, {"phase": phase})


def _patch(kubectl: Kubectl, pod: Object, status: Object) -> None:
    body = json.dumps({"status": status})
    name = pod["metadata"]["name"]
    kubectl.ok("patch", "pod", name, "--subresource=status", "--type=merge", "-p", body)


def _is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
