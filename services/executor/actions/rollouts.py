"""Whether a Deployment has rolled out, read as `kubectl rollout status` reads it."""

from typing import Any

from services.executor.core.changes import Broken, NotYet
from shared.api.enums import ErrorType

Object = dict[str, Any]


def unsettled(live: Object) -> NotYet | Broken | None:
    """Return what a Deployment still lacks, or None when it is rolled out."""
    meta, spec, status = live["metadata"], live["spec"], live.get("status", {})
    if status.get("observedGeneration", 0) < meta.get("generation", 0):
        return NotYet(message="waiting for the Deployment controller to see the change")
    for condition in status.get("conditions", []):
        if condition["type"] == "Progressing" and condition.get("reason") == (
            "ProgressDeadlineExceeded"
        ):
            return Broken(error=ErrorType.TIMEOUT, message="the rollout exceeded its deadline")
    wanted = spec.get("replicas", 1)
    updated, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
    available = status.get("availableReplicas", 0)
    if updated < wanted:
        return NotYet(message=f"{updated} of {wanted} replicas are updated")
    if total > updated:
        return NotYet(message=f"{total - updated} old replicas still run")
    if available < updated:
        return NotYet(message=f"{available} of {updated} updated replicas are available")
    return None
