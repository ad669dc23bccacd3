"""The conditions of a workflow: what `kubectl wait` waits for."""

from datetime import datetime

import msgspec

from shared.api.enums import TERMINAL_PHASES, Phase
from shared.api.meta import Condition, ConditionStatus
from shared.api.workflow import WorkflowExecution

_TRUE, _FALSE, _UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN


def conditions_of(
    workflow: WorkflowExecution, phase: Phase, reason: str, message: str
) -> list[Condition]:
    """Return the conditions that a phase stands for, without their times."""
    terminal = phase in TERMINAL_PHASES
    found = [
        _condition("Complete", _truth(terminal), str(phase), message),
        _condition(
            "Succeeded",
            _truth(phase is Phase.COMPLETED) if terminal else _UNKNOWN,
            reason if terminal else "InProgress",
            message,
        ),
        _condition("Ready", _truth(phase is Phase.COMPLETED), str(phase), message),
        _condition("Reconciling", _truth(not terminal), str(phase), ""),
        *_planning_conditions(workflow, reason, message),
    ]
    if workflow.status.rollback is not None:
        found += _rollback_conditions(phase, message)
    return found


def _planning_conditions(workflow: WorkflowExecution, reason: str, message: str) -> list[Condition]:
    status = workflow.status
    if status.validation_results and status.validation_results.validation_errors:
        return [
            _condition("Planned", _FALSE, reason, ""),
            _condition("ValidationFailed", _TRUE, reason, message),
        ]
    if status.execution_plan is not None:
        return [_condition("Planned", _TRUE, "PlanReady", "")]
    return []


def _rollback_conditions(phase: Phase, message: str) -> list[Condition]:
    match phase:
        case Phase.ROLLED_BACK:
            return [_condition("RolledBack", _TRUE, "RollbackCompleted", message)]
        case Phase.ROLLBACK_FAILED:
            return [_condition("RolledBack", _FALSE, "RollbackFailed", message)]
        case Phase.DEGRADED:
            return [_condition("Degraded", _TRUE, "ManualRollback", message)]
        case Phase.ROLLING_BACK:
            return [_condition("Degraded", _FALSE, "RollingBack", "")]
        case _:
            return []


def _truth(holds: bool) -> ConditionStatus:  # noqa: FBT001 - the statement is the argument
    return _TRUE if holds else _FALSE


def _condition(type_: str, status: ConditionStatus, reason: str, message: str) -> Condition:
    return Condition(type=type_, status=status, reason=reason, message=message)


def merged(
    old: list[Condition], new: list[Condition], *, now: datetime, generation: int
) -> list[Condition]:
    """Return old and new conditions; one whose status stays keeps its transition time."""
    known = {condition.type: condition for condition in old}
    result = dict(known)
    for condition in new:
        before = known.get(condition.type)
        same = before is not None and before.status == condition.status
        result[condition.type] = msgspec.structs.replace(
            condition,
            last_transition_time=before.last_transition_time if before and same else now,
            observed_generation=generation,
        )
    return list(result.values())
