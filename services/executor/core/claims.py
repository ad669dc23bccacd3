"""Who may take up an execution, and under which token (rules R2 and R5)."""

from datetime import datetime
from typing import Final

import msgspec

from services.executor.core import blocked
from shared.api.enums import ExecutionKind, ExecutionPhase, Intent, RollbackStepPhase
from shared.api.execution import CapturedInverse, ExecutionStatus, KubernetesExecution
from shared.api.workflow import WorkflowExecution
from shared.workflow.executions import name_of

FOREIGN: Final = "it was not made for its workflow"
UNGRANTED: Final = "its token is not held"
ORPHANED: Final = "its workflow is gone"


def refusal(
    execution: KubernetesExecution, workflow: WorkflowExecution | None, *, holder_is_gone: bool
) -> str | None:
    """Return why this execution may not be claimed now, or None when it may."""
    if execution.is_terminal:
        return "it has ended"
    if execution.spec.intent is Intent.VOID:
        return "it is a tombstone"
    if execution.is_claimed and not holder_is_gone:
        return "another executor holds it"
    if workflow is None or workflow.metadata.uid != execution.spec.workflow_execution_ref.uid:
        return ORPHANED
    if not _is_made_for(workflow, execution):
        return FOREIGN
    return None if _token_is_held(execution, workflow) else UNGRANTED


def claimed(
    execution: KubernetesExecution,
    *,
    holder: str,
    now: datetime,
    inverse: CapturedInverse | None,
) -> ExecutionStatus:
    """Return the status of a claim; what an earlier holder captured is kept."""
    status = execution.status
    return msgspec.structs.replace(
        status,
        phase=ExecutionPhase.RUNNING,
        claimed_by=holder,
        claim_fence=status.claim_fence + 1,
        start_time=status.start_time or now,
        rollback_information=status.rollback_information or inverse,
        conditions=blocked.released(execution, now=now),
    )


def made_at(execution: KubernetesExecution, *, now: datetime) -> datetime:
    """Return when an execution was made by the clock that pods are dated by: the API server's."""
    return execution.metadata.creation_timestamp or execution.status.start_time or now


def holds(execution: KubernetesExecution | None, claim: KubernetesExecution) -> bool:
    """Return whether the claim made as `claim` still stands on the live execution."""
    return (
        execution is not None
        and not execution.is_terminal
        and execution.metadata.uid == claim.metadata.uid
        and execution.status.claim_fence == claim.status.claim_fence
        and execution.status.claimed_by == claim.status.claimed_by
    )


def _token_is_held(execution: KubernetesExecution, workflow: WorkflowExecution) -> bool:
    spec = execution.spec
    if spec.kind is ExecutionKind.ROLLBACK:
        rollback = workflow.status.rollback
        return rollback is not None and any(
            step.name == spec.step_name
            and step.phase is RollbackStepPhase.RUNNING
            and (step.attempt, step.fence) == (spec.attempt, spec.fence)
            for step in rollback.steps
        )
    token = workflow.status.tokens.get(spec.step_name)
    if token is None or token.attempt != spec.attempt:
        return False
    return spec.kind is ExecutionKind.SETTLE or token.fence == spec.fence


def _is_made_for(workflow: WorkflowExecution, execution: KubernetesExecution) -> bool:
    """Return whether an execution is the workflow's own: what it says of itself may be copied."""
    spec, meta = execution.spec, execution.metadata
    owned = any(owner.uid == workflow.metadata.uid for owner in meta.owner_references)
    return owned and meta.name == name_of(workflow, spec.step_name, spec.attempt, spec.kind)
