"""What policies see of a Deployment."""

from collections.abc import Mapping
from typing import Any, Final

Object = Mapping[str, Any]

_CONDITIONS: Final = ("Available", "Progressing", "ReplicaFailure")


def replicas(deployment: Object) -> int:
    """Return how many replicas a Deployment asks for."""
    return int(deployment["spec"].get("replicas", 1))


def pod_spec(deployment: Object) -> Object:
    """Return the spec of its pods."""
    spec: Object = deployment["spec"]["template"]["spec"]
    return spec


def pull_secrets(deployment: Object) -> list[str]:
    """Return the names of the secrets that its pods pull images with."""
    return [each["name"] for each in pod_spec(deployment).get("imagePullSecrets") or []]


def conditions(deployment: Object | None) -> dict[str, bool]:
    """Return the three conditions; what is not reported is false.

    A status that speaks of an earlier spec reports nothing.
    """
    found = dict.fromkeys(_CONDITIONS, False)
    status = (deployment or {}).get("status") or {}
    generation = ((deployment or {}).get("metadata") or {}).get("generation", 0)
    if status.get("observedGeneration", 0) < generation:
        return found
    for each in status.get("conditions") or []:
        if each["type"] in found:
            found[each["type"]] = each["status"] == "True"
    return found
