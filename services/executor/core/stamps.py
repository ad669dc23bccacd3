"""What every write to a target carries: which operation made it, and who holds the target."""

from services.executor.core import locks, operations
from services.executor.core.changes import Object
from shared.api.enums import ExecutionKind
from shared.api.execution import KubernetesExecution
from shared.api.meta import LAST_OPERATIONS_ANNOTATION, LOCKED_BY_ANNOTATION
from shared.ids import Uid
from shared.workflow.names import operation_id


def operation_of(
    claim: KubernetesExecution, kind: ExecutionKind | None = None, *, attempt: int | None = None
) -> str:
    """Return the operation of an execution, or of one of another kind or attempt of its step."""
    spec = claim.spec
    uid = Uid(spec.workflow_execution_ref.uid)
    return operation_id(uid, spec.step_name, attempt or spec.attempt, kind or spec.kind)


def annotations(live: Object, claim: KubernetesExecution) -> dict[str, str]:
    """Return who did what to an object, as it is to stand on it."""
    operation = operations.Operation(
        id=operation_of(claim),
        fence=claim.spec.fence,
        claim_fence=claim.status.claim_fence,
        version=live["metadata"].get("resourceVersion", ""),
    )
    return {
        LAST_OPERATIONS_ANNOTATION: operations.stamped(live, operation),
        LOCKED_BY_ANNOTATION: locks.held(live, claim),
    }


def stamped(
    live: Object, body: Object, claim: KubernetesExecution, *, locks_too: bool = True
) -> Object:
    """Return a body with our operation on it, which holds only for the object as it was read.

    Args:
        live: as it was read; one that is not there yet has no uid and no version.
        body: a patch, or a whole object.
        claim: whose operation it is.
        locks_too: whether it says who holds the target.
    """
    meta, given = live["metadata"], body.get("metadata") or {}
    marks = annotations(live, claim)
    if not locks_too:
        del marks[LOCKED_BY_ANNOTATION]
    bound = {key: meta[key] for key in ("uid", "resourceVersion") if key in meta}
    notes = (given.get("annotations") or {}) | marks
    return body | {"metadata": given | bound | {"annotations": notes}}
