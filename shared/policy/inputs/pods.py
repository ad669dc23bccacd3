"""What policies see of the pods of a workload."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

Object = Mapping[str, Any]

_MAX_LISTED: Final = 200
_CRASHING: Final = "CrashLoopBackOff"
_STARTING: Final = frozenset({"ContainerCreating", "PodInitializing"})
"""Reasons to wait that are no trouble; the phase says as much."""


def pod_facts(pods: Sequence[Object]) -> dict[str, Any]:
    """Return the keys that speak of pods; the worst come first, and at most 200 are listed.

    Nothing here measures throttling, and no key says that there is none.
    """
    described = sorted((_described(pod) for pod in pods), key=_badness)
    alive = [pod for pod in pods if not _is_terminating(pod)]
    return {
        "pods": described[:_MAX_LISTED],
        "pods_total": len(pods),
        "running_pods": sum(_phase(pod) == "Running" for pod in alive),
        "ready_pods": sum(_is_ready(pod) for pod in alive),
    }


def _described(pod: Object) -> dict[str, Any]:
    return {
        "name": pod["metadata"]["name"],
        "status": _status(pod),
        "oom_killed": any(_is_oom_killed(each) for each in _containers(pod)),
    }


def _badness(pod: Mapping[str, Any]) -> tuple[bool, bool, bool, str]:
    is_well = pod["status"] in {"Running", "Succeeded", "Terminating"}
    return (pod["status"] != _CRASHING, not pod["oom_killed"], is_well, pod["name"])


def _status(pod: Object) -> str:
    """Return the word that people read: what keeps a container from running beats the phase."""
    if _is_terminating(pod):
        return "Terminating"
    troubles = list(_troubles(_containers(pod)))
    if _CRASHING in troubles:
        return _CRASHING
    return troubles[0] if troubles else _phase(pod)


def _troubles(containers: Iterable[Object]) -> Iterable[str]:
    for each in containers:
        state = each.get("state") or {}
        waiting, ended = state.get("waiting"), state.get("terminated")
        if waiting and waiting.get("reason", "") not in _STARTING | {""}:
            yield waiting["reason"]
        if ended and ended.get("exitCode", 0) != 0:
            yield ended.get("reason") or "Error"


def _containers(pod: Object) -> list[Object]:
    status = pod.get("status") or {}
    kinds = ("initContainerStatuses", "containerStatuses")
    return [each for kind in kinds for each in status.get(kind) or []]


def _is_oom_killed(container: Object) -> bool:
    states = (container.get("state") or {}, container.get("lastState") or {})
    return any((each.get("terminated") or {}).get("reason") == "OOMKilled" for each in states)


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _is_terminating(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def _phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase") or "Unknown")
