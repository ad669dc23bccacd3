"""What a dry run of a change found, and how it stands on the execution."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from services.executor.core.blocked import with_condition
from services.executor.core.changes import Address, is_satisfied
from shared.api.execution import ExecutionStatus, ExecutionValidation, KubernetesExecution
from shared.api.meta import Condition, ConditionStatus
from shared.api.results import DryRunResults, EstimatedImpact
from shared.effects.catalogue import CATALOGUE, canonical

_CONDITION: Final = "DryRunCompleted"
_KEPT: Final = 8
_MAX_MESSAGE: Final = 256


def passed(
    claim: KubernetesExecution, address: Address, warnings: Sequence[str] = ()
) -> DryRunResults:
    """Return that the API server would take the change."""
    return DryRunResults(
        performed=True,
        success=True,
        estimated_impact=_impact(claim, address),
        warnings=[warning[:_MAX_MESSAGE] for warning in warnings[:_KEPT]],
    )


def refused(claim: KubernetesExecution, address: Address, why: str) -> DryRunResults:
    """Return that the API server would not take the change."""
    return DryRunResults(
        performed=True,
        success=False,
        estimated_impact=_impact(claim, address),
        errors=[why[:_MAX_MESSAGE]],
    )


def told(
    execution: KubernetesExecution,
    status: ExecutionStatus,
    found: DryRunResults | None,
    *,
    now: datetime,
) -> ExecutionStatus:
    """Return the status with what the dry run found, or why none was needed.

    Nothing is told of one that was wanted and not reached.
    """
    results = found or _needless(execution)
    if results is None:
        return status
    validation = msgspec.structs.replace(
        status.validation_results or ExecutionValidation(), dry_run_results=results
    )
    conditions = status.conditions
    if results.performed:
        conditions = with_condition(conditions, _condition(execution, results, now=now))
    return msgspec.structs.replace(status, validation_results=validation, conditions=conditions)


def _needless(execution: KubernetesExecution) -> DryRunResults | None:
    action = canonical(execution.spec.action)
    if not execution.spec.dry_run or action is None:
        return None
    if is_satisfied(execution):
        why = "nothing is changed: the goal is reached already"
    elif not CATALOGUE[action].changes_cluster:
        why = f"{action} changes nothing"
    else:
        return None
    return DryRunResults(
        performed=False, success=True, estimated_impact=EstimatedImpact(description=why)
    )


def _impact(claim: KubernetesExecution, address: Address) -> EstimatedImpact:
    inverse = claim.status.rollback_information
    before, after = (inverse.before, inverse.after) if inverse else ({}, {})
    fields = [f"{path}: {before.get(path) or 'unset'} -> {after[path]}" for path in sorted(after)]
    description = f"{address}: {', '.join(fields)}" if fields else str(address)
    return EstimatedImpact(resources_affected=1, description=description[:_MAX_MESSAGE])


def _condition(
    execution: KubernetesExecution, results: DryRunResults, *, now: datetime
) -> Condition:
    return Condition(
        type=_CONDITION,
        status=ConditionStatus.TRUE if results.success else ConditionStatus.FALSE,
        reason="ValidationSucceeded" if results.success else "ValidationFailed",
        message=results.errors[0] if results.errors else "",
        last_transition_time=now,
        observed_generation=execution.metadata.generation,
    )
