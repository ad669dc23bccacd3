"""The terminal status of an execution: completed or failed, with what is known."""

from datetime import datetime

import msgspec

from services.executor.core.blocked import with_condition
from services.executor.core.changes import RefusedError, is_satisfied
from shared.api.enums import ErrorType, ExecutionPhase
from shared.api.execution import (
    AffectedResource,
    CapturedInverse,
    ExecutionResults,
    ExecutionStatus,
    KubernetesExecution,
)
from shared.api.meta import Condition, ConditionStatus
from shared.api.results import RestartResult, StepResult
from shared.workflow.durations import render

_MAX_MESSAGE = 256
_MAX_PODS = 16


def completed(claim: KubernetesExecution, result: StepResult, *, now: datetime) -> ExecutionStatus:
    """Return the status of an execution that reached its goal."""
    took = render(now - (claim.status.start_time or now))
    inverse = claim.status.rollback_information
    satisfied = _already_satisfied(inverse) if inverse and is_satisfied(claim) else ""
    restarted = _with_pods(result.restart_result, claim)
    timed = msgspec.structs.replace(result, execution_time=took, restart_result=restarted)
    if satisfied:
        timed = msgspec.structs.replace(timed, resources_affected=[], warnings=[satisfied])
    outcome = ExecutionResults(
        success=True,
        start_time=claim.status.start_time,
        end_time=now,
        duration=took,
        resources_affected=[] if satisfied else _affected(claim, inverse),
        reason="AlreadySatisfied" if satisfied else "ActionSucceeded",
        result=timed,
    )
    return _ended(claim, ExecutionPhase.COMPLETED, outcome, message=satisfied, now=now)


def failed(claim: KubernetesExecution, error: RefusedError, *, now: datetime) -> ExecutionStatus:
    """Return the status of an execution that did not reach its goal."""
    message = str(error)[:_MAX_MESSAGE]
    outcome = ExecutionResults(
        success=False,
        start_time=claim.status.start_time,
        end_time=now,
        duration=render(now - (claim.status.start_time or now)),
        error_type=error.error,
        error_message=message,
        reason=error.reason,
    )
    return _ended(claim, ExecutionPhase.FAILED, outcome, message=message, now=now)


def left_behind(claim: KubernetesExecution, *, holder: str, now: datetime) -> ExecutionStatus:
    """Return the status of an execution that its workflow gave up, as did whoever held it."""
    message = f"{holder} gave it up, and so did its workflow"
    lost = RefusedError(ErrorType.UNKNOWN_ERROR, message, reason="LeftBehind")
    return failed(claim, lost, now=now)


def with_job(status: ExecutionStatus, *, name: str, logs: str) -> ExecutionStatus:
    """Return the status with the Job that ran, and the end of its log; as it is without one."""
    if not name:
        return status
    outcome = status.execution_results
    if outcome is not None:
        outcome = msgspec.structs.replace(outcome, job_name=name, pod_logs=logs)
    return msgspec.structs.replace(status, job_name=name, execution_results=outcome)


def _ended(
    claim: KubernetesExecution,
    phase: ExecutionPhase,
    outcome: ExecutionResults,
    *,
    message: str,
    now: datetime,
) -> ExecutionStatus:
    condition = Condition(
        type=str(phase),
        status=ConditionStatus.TRUE,
        reason=outcome.reason,
        message=message,
        last_transition_time=now,
        observed_generation=claim.metadata.generation,
    )
    return msgspec.structs.replace(
        claim.status,
        phase=phase,
        message=message,
        completion_time=now,
        conditions=with_condition(claim.status.conditions, condition),
        execution_results=outcome,
    )


def _with_pods(restarted: RestartResult | None, claim: KubernetesExecution) -> RestartResult | None:
    """Return a restart with the names of the pods it deleted, as the ledger has them."""
    if restarted is None:
        return None
    deleted = [
        each.name for each in claim.status.effects if each.verb == "delete" and each.answered
    ]
    return msgspec.structs.replace(restarted, restarted_pods=deleted[:_MAX_PODS])


def _already_satisfied(inverse: CapturedInverse) -> str:
    values = ", ".join(f"{path} is {value}" for path, value in sorted(inverse.after.items()))
    return f"already satisfied: {values}"[:_MAX_MESSAGE] if values else "already satisfied"


def _affected(
    claim: KubernetesExecution, inverse: CapturedInverse | None
) -> list[AffectedResource]:
    if inverse is None or inverse.target is None:
        return []
    target = inverse.target
    return [
        AffectedResource(
            kind=target.kind,
            namespace=target.namespace,
            name=target.name,
            action=claim.spec.action,
            before=", ".join(inverse.before.values())[:_MAX_MESSAGE],
            after=", ".join(inverse.after.values())[:_MAX_MESSAGE],
        )
    ]
