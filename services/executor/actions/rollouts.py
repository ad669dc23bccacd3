"""Whether a workload has rolled out, read as `kubectl rollout status` reads it."""

from services.executor.core.changes import Broken, NotYet, Object
from shared.api.enums import ErrorType
from shared.api.groups import DAEMON_SET, STATEFUL_SET


def unsettled(live: Object) -> NotYet | Broken | None:
    """Return what a workload still lacks, or None when it is rolled out."""
    meta, status = live["metadata"], live.get("status", {})
    kind = live.get("kind", "Deployment")
    if status.get("observedGeneration", 0) < meta.get("generation", 0):
        return NotYet(message=f"waiting for the {kind} controller to see the change")
    match kind:
        case STATEFUL_SET.kind:
            return _stateful_set(live)
        case DAEMON_SET.kind:
            return _daemon_set(live)
        case _:
            return _deployment(live)


def _deployment(live: Object) -> NotYet | Broken | None:
    status = live.get("status", {})
    for condition in status.get("conditions", []):
        if condition["type"] == "Progressing" and condition.get("reason") == (
            "ProgressDeadlineExceeded"
        ):
            return Broken(error=ErrorType.TIMEOUT, message="the rollout exceeded its deadline")
    wanted = live["spec"].get("replicas", 1)
    updated, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
    available = status.get("availableReplicas", 0)
    if updated < wanted:
        return NotYet(message=f"{updated} of {wanted} replicas are updated")
    if total > updated:
        return NotYet(message=f"{total - updated} old replicas still run")
    if available < updated:
        return NotYet(message=f"{available} of {updated} updated replicas are available")
    return None


def _stateful_set(live: Object) -> NotYet | None:
    spec, status = live["spec"], live.get("status", {})
    wanted, ready = spec.get("replicas", 1), status.get("readyReplicas", 0)
    if status.get("replicas", 0) > wanted:
        return NotYet(message=f"{status['replicas'] - wanted} replicas are still to go")
    if ready < wanted:
        return NotYet(message=f"{ready} of {wanted} replicas are ready")
    rolling = spec.get("updateStrategy", {}).get("type", "RollingUpdate") == "RollingUpdate"
    partitioned = spec.get("updateStrategy", {}).get("rollingUpdate", {}).get("partition")
    if not rolling or partitioned:
        return None
    if status.get("updateRevision") != status.get("currentRevision"):
        return NotYet(message=f"{status.get('updatedReplicas', 0)} of {wanted} are updated")
    return None


def _daemon_set(live: Object) -> NotYet | None:
    status = live.get("status", {})
    wanted, updated = (
        status.get("desiredNumberScheduled", 0),
        status.get("updatedNumberScheduled", 0),
    )
    if updated < wanted:
        return NotYet(message=f"{updated} of {wanted} pods are updated")
    if status.get("numberAvailable", 0) < wanted:
        return NotYet(message=f"{status.get('numberAvailable', 0)} of {wanted} are available")
    return None
