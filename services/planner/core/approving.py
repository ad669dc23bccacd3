"""Which approvals a workflow needs, what is asked for them, and what an answer means.

Pure. An approval binds to the digest of a plan: another plan needs another answer. What is
asked stands in the status before the request exists, so that whoever asks asks the same.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from services.planner.core.requests import WHOLE_PLAN, question
from shared.api.approval import AIApprovalRequest, ApprovalStatus
from shared.api.approval import Decision as Answer
from shared.api.enums import StepPhase, StepReason
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import (
    Approval,
    Decision,
    ExecutionPlan,
    StepStatus,
    ValidationResults,
    WorkflowStatus,
)
from shared.limits import Limits
from shared.workflow.readiness import WAITING_PHASES

EXPIRER: Final = "mendflow-planner"
_MAX_MESSAGE: Final = 256
_DENIED: Final = {
    "Rejected": StepReason.APPROVAL_REJECTED,
    "Expired": StepReason.APPROVAL_EXPIRED,
}


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What the request for one plan or step says: an answer, or why there can be none yet."""

    digest: str
    status: ApprovalStatus


def needed(
    workflow: WorkflowExecution, plan: ExecutionPlan, limits: Limits, *, now: datetime
) -> Approval:
    """Return the approval that a plan needs; not required when it may simply run.

    An answer that was given for this very plan still counts.
    """
    before = workflow.status.approval or Approval()
    if before.required and before.digest == plan.digest:
        return before
    reason = _why(workflow, plan, limits)
    if not reason:
        return Approval(gates=before.gates)
    asked = question(workflow, plan.digest, WHOLE_PLAN, reason, limits, now=now)
    return Approval(
        required=True,
        reason=asked.reason,
        digest=asked.digest,
        request_ref=asked.request_ref,
        expires_at=asked.expires_at,
        gates=before.gates,
    )


def with_approval(status: WorkflowStatus, approval: Approval) -> WorkflowStatus:
    """Return the status with an approval, and in brief whether and when people agreed."""
    received = approval.decision == Answer.APPROVED if approval.decision else None
    results = msgspec.structs.replace(
        status.validation_results or ValidationResults(),
        approval_received=received,
        approval_timestamp=approval.decided_at if received else None,
    )
    return msgspec.structs.replace(status, approval=approval, validation_results=results)


def with_gates(
    workflow: WorkflowExecution, limits: Limits, *, now: datetime
) -> WorkflowStatus | None:
    """Return the status with a question for each step that waits at its gate, or None."""
    plan = workflow.status.execution_plan
    approval = workflow.status.approval or Approval()
    if plan is None:
        return None
    waiting = [
        step.name
        for step in workflow.status.steps
        if step.reason is StepReason.AWAITING_APPROVAL
        and not _is_for(approval.gates.get(step.name), plan)
    ]
    if not waiting:
        return None
    gates = {
        name: question(
            workflow, plan.digest, name, f"step {name} waits for approval", limits, now=now
        )
        for name in waiting
    }
    return msgspec.structs.replace(
        workflow.status, approval=msgspec.structs.replace(approval, gates=approval.gates | gates)
    )


def pending(workflow: WorkflowExecution) -> dict[str, Decision]:
    """Return what waits for an answer: steps by name, the whole plan under the empty name."""
    approval = workflow.status.approval
    if approval is None:
        return {}
    found: dict[str, Decision] = {}
    if approval.required and not approval.decision:
        found[WHOLE_PLAN] = approval
    waiting = {
        step.name for step in workflow.status.steps if step.reason is StepReason.AWAITING_APPROVAL
    }
    return found | {
        name: gate for name, gate in approval.gates.items() if name in waiting and not gate.decision
    }


def expired(request: AIApprovalRequest, *, obstacle: str, now: datetime) -> ApprovalStatus:
    """Return the answer for people who gave none in time.

    Args:
        request: what they were asked.
        obstacle: why they could give none, if that is so.
        now: when time was up.
    """
    message = f"nobody decided within {request.spec.timeout}"
    return ApprovalStatus(
        decision=Answer.EXPIRED,
        decided_by=EXPIRER,
        decided_at=now,
        message=f"{message}; {obstacle}" if obstacle else message,
        method="timeout",
    )


def answered(
    workflow: WorkflowExecution, heard: Mapping[str, Heard], *, now: datetime
) -> WorkflowStatus | None:
    """Return the status with what was heard written down, or None when nothing is new.

    What was heard about another plan than the present one counts for nothing. A plan that
    was denied before anything ran leaves no step waiting.
    """
    news = news_in(workflow, heard, now=now)
    approval = workflow.status.approval
    if not news or approval is None:
        return None
    gates = {name: gate for name, gate in news.items() if name != WHOLE_PLAN}
    whole = news.get(WHOLE_PLAN, approval)
    after = msgspec.structs.replace(
        approval,
        gates=approval.gates | gates,
        decision=whole.decision,
        decided_by=whole.decided_by,
        decided_at=whole.decided_at,
        message=whole.message,
    )
    status = with_approval(workflow.status, after)
    return msgspec.structs.replace(status, steps=_denied(status.steps, after))


def news_in(
    workflow: WorkflowExecution, heard: Mapping[str, Heard], *, now: datetime
) -> dict[str, Decision]:
    """Return the open questions of a workflow that were answered, or otherwise changed."""
    open_ = pending(workflow)
    told = {
        name: _told(open_[name], each.status, now=now)
        for name, each in heard.items()
        if name in open_ and open_[name].digest == each.digest
    }
    return {name: each for name, each in told.items() if each != open_[name]}


def _told(asked: Decision, status: ApprovalStatus, *, now: datetime) -> Decision:
    return msgspec.structs.replace(
        asked,
        decision=str(status.decision),
        decided_by=status.decided_by,
        decided_at=(status.decided_at or now) if status.decision else None,
        message=status.message[:_MAX_MESSAGE],
    )


def _denied(steps: list[StepStatus], approval: Approval) -> list[StepStatus]:
    reason = _DENIED.get(approval.decision)
    if reason is None or any(step.attempts for step in steps):
        return steps
    message = f"not started: approval {approval.decision.lower()}"
    return [
        msgspec.structs.replace(step, phase=StepPhase.SKIPPED, reason=reason, message=message)
        if step.phase in WAITING_PHASES
        else step
        for step in steps
    ]


def _why(workflow: WorkflowExecution, plan: ExecutionPlan, limits: Limits) -> str:
    skipped = {s.name for s in workflow.status.steps if s.phase is StepPhase.SKIPPED}
    steps = len(set(plan.order) - skipped)
    if steps > limits.approval_threshold:
        return f"{steps} steps, more than the {limits.approval_threshold} that run without approval"
    if workflow.spec.execution_strategy.approval_required:
        return "the workflow asks for approval"
    return ""


def _is_for(gate: Decision | None, plan: ExecutionPlan) -> bool:
    return gate is not None and gate.digest == plan.digest
