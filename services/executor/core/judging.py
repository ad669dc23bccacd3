"""Whether a change may be made on a target as it is now."""

from collections.abc import Mapping
from typing import Final

from services.executor.core import changes, paths
from services.executor.core.changes import Object, RefusedError, State
from shared.api.enums import ErrorType
from shared.api.execution import KubernetesExecution, RollbackOf
from shared.workflow.undone import DRIFTED

_NAMED: Final = 4


def undoes(undo: RollbackOf, state: State, live: Object) -> bool:
    """Return whether there is something to undo; False where it is undone already.

    Raises:
        RefusedError: when somebody else changed the target since.
    """
    observed = paths.observed(live, state.after)
    match changes.judge_undo(undo, state, observed, live["metadata"]["uid"]):
        case changes.Drifted(message=message):
            raise RefusedError(ErrorType.RESOURCE_CONFLICT, message, reason=DRIFTED)
        case changes.AlreadyUndone():
            return False
        case changes.Restore():
            return True


def refuse_foreign_change(claim: KubernetesExecution, state: State, live: Object) -> None:
    """Stop when somebody changed the same field between the capture and the write.

    Raises:
        RefusedError: naming the fields, or that it is another object.
    """
    captured = claim.status.rollback_information
    if captured is None:
        return
    name = f"{live.get('kind', '')} {live['metadata']['name']}"
    if state.absent_before:
        raise _concurrent(f"{name} was made by somebody else")
    if captured.target is not None and captured.target.uid != live["metadata"]["uid"]:
        raise _concurrent(f"{name} was replaced by another")
    observed = paths.observed(live, state.after)
    done_by_earlier_attempt = claim.spec.attempt > 1 and observed == state.after
    if observed != state.before and not done_by_earlier_attempt:
        fields = ", ".join(_changed(state.before, observed))
        raise _concurrent(f"somebody changed {fields} at the same time")


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return [path for path in sorted(now) if before.get(path) != now[path]][:_NAMED]


def _concurrent(message: str) -> RefusedError:
    return RefusedError(ErrorType.RESOURCE_CONFLICT, message, reason="ConcurrentChange")
