"""The condition that says for whom an unclaimed execution waits."""

from datetime import datetime
from typing import Final

import msgspec

from shared.api.execution import ExecutionStatus, KubernetesExecution
from shared.api.meta import Condition, ConditionStatus

TYPE: Final = "Blocked"
_LOCKED: Final = "TargetLocked"
_FREE: Final = "TargetFree"


def is_blocked(execution: KubernetesExecution) -> bool:
    """Return whether it was last seen waiting for another workflow."""
    return _found(execution.status.conditions) is not None


def blocked(
    execution: KubernetesExecution, message: str, *, now: datetime
) -> ExecutionStatus | None:
    """Return the status that says so, or None when it stands there already."""
    known = _found(execution.status.conditions)
    if known is not None and known.message == message:
        return None
    condition = Condition(
        type=TYPE,
        status=ConditionStatus.TRUE,
        reason=_LOCKED,
        message=message,
        last_transition_time=known.last_transition_time if known else now,
        observed_generation=execution.metadata.generation,
    )
    return msgspec.structs.replace(
        execution.status, conditions=with_condition(execution.status.conditions, condition)
    )


def released(execution: KubernetesExecution, *, now: datetime) -> list[Condition]:
    """Return the conditions of an execution that need not wait any more."""
    conditions = execution.status.conditions
    if not is_blocked(execution):
        return conditions
    condition = Condition(
        type=TYPE,
        status=ConditionStatus.FALSE,
        reason=_FREE,
        last_transition_time=now,
        observed_generation=execution.metadata.generation,
    )
    return with_condition(conditions, condition)


def with_condition(conditions: list[Condition], condition: Condition) -> list[Condition]:
    """Return the conditions with one of them put in place of its older self."""
    return [*(known for known in conditions if known.type != condition.type), condition]


def _found(conditions: list[Condition]) -> Condition | None:
    return next(
        (each for each in conditions if each.type == TYPE and each.status is ConditionStatus.TRUE),
        None,
    )
