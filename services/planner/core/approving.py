"""Which approvals a workflow needs, what is asked for them, and what an answer means.

Pure. An approval binds to the digest of a plan: another plan needs another answer. What is
asked stands in the status before the request exists, so that whoever asks asks the same.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, TypeVar

import msgspec

from shared.api.approval import AIApprovalRequest, ApprovalSpec, ApprovalStatus
from shared.api.enums import StepPhase, StepReason
from shared.api.meta import (
    CORRELATION_ANNOTATION,
    SUBMITTED_BY_ANNOTATION,
    WORKFLOW_UID_LABEL,
    NamedRef,
    ObjectMeta,
)
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Step
from shared.api.workflow_status import Approval, Decision, ExecutionPlan, StepStatus, WorkflowStatus
from shared.limits import Limits
from shared.workflow import durations
from shared.workflow.definition import definition_of
from shared.workflow.executions import correlation_of, owner_of
from shared.workflow.graph import step_numbers
from shared.workflow.readiness import WAITING_PHASES

AnyDecision = TypeVar("AnyDecision", bound=Decision)
WHOLE_PLAN: Final = ""
"""Stands for the plan where a step is named otherwise."""
_MAX_LINE: Final = 256
_MAX_NAME: Final = 253
_DENIED: Final = {
    "Rejected": StepReason.APPROVAL_REJECTED,
    "Expired": StepReason.APPROVAL_EXPIRED,
}


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
    asked = _asked(workflow, plan.digest, WHOLE_PLAN, reason, limits, now=now)
    return Approval(
        required=True,
        reason=asked.reason,
        digest=asked.digest,
        request_ref=asked.request_ref,
        expires_at=asked.expires_at,
        gates=before.gates,
    )


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
        name: _asked(
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


def request_for(
    workflow: WorkflowExecution, step: str, asked: Decision, limits: Limits
) -> AIApprovalRequest:
    """Return the question that is put to people; the same however often it is made."""
    meta, plan = workflow.metadata, workflow.status.execution_plan
    timeout = _timeout(workflow, limits)
    name = asked.request_ref.name if asked.request_ref else _name(workflow, asked.digest, step)
    return AIApprovalRequest(
        metadata=ObjectMeta(
            name=name,
            namespace=meta.namespace,
            labels={WORKFLOW_UID_LABEL: str(meta.uid)},
            annotations={CORRELATION_ANNOTATION: correlation_of(workflow)},
            owner_references=[owner_of(workflow)],
        ),
        spec=ApprovalSpec(
            workflow_execution_ref=NamedRef(name=meta.name, namespace=meta.namespace, uid=meta.uid),
            plan_hash=asked.digest,
            step=step,
            reason=asked.reason,
            total_steps=workflow.status.total_steps,
            threshold=limits.approval_threshold,
            requested_at=expiry(asked) - timeout,
            timeout=f"{int(timeout.total_seconds() * 1000)}ms",
            submitted_by=meta.annotations.get(SUBMITTED_BY_ANNOTATION, ""),
            changes=_changes(workflow, step),
            irreversible=[
                each for each in (plan.irreversible if plan else []) if step in {WHOLE_PLAN, each}
            ],
            remediation_request_ref=workflow.spec.remediation_request_ref,
        ),
    )


def expiry(asked: Decision) -> datetime:
    """Return when waiting for an answer ends; whatever was asked has that time."""
    if asked.expires_at is None:
        message = "nobody was asked"
        raise ValueError(message)
    return asked.expires_at


def is_answer(request: AIApprovalRequest, wanted: AIApprovalRequest) -> bool:
    """Return whether a request found under our name asks what we ask."""
    found, ours = request.spec, wanted.spec
    owners = {owner.uid for owner in request.metadata.owner_references}
    return wanted.metadata.owner_references[0].uid in owners and (found.plan_hash, found.step) == (
        ours.plan_hash,
        ours.step,
    )


def answered(
    workflow: WorkflowExecution, answers: Mapping[str, ApprovalStatus]
) -> WorkflowStatus | None:
    """Return the status with answers written down, or None when there is nothing new.

    A plan that was denied before anything ran leaves no step waiting.
    """
    open_ = pending(workflow)
    news = {name: status for name, status in answers.items() if name in open_ and status.decision}
    approval = workflow.status.approval
    if not news or approval is None:
        return None
    gates = {
        name: _told(gate, news[name]) if name and name in news else gate
        for name, gate in approval.gates.items()
    }
    after = msgspec.structs.replace(approval, gates=gates)
    steps = workflow.status.steps
    if WHOLE_PLAN in news:
        after = _told(after, news[WHOLE_PLAN])
        steps = _denied(steps, after)
    return msgspec.structs.replace(workflow.status, approval=after, steps=steps)


def _told(asked: AnyDecision, status: ApprovalStatus) -> AnyDecision:
    return msgspec.structs.replace(
        asked,
        decision=str(status.decision),
        decided_by=status.decided_by,
        decided_at=status.decided_at,
        message=status.message[:_MAX_LINE],
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


def _asked(
    workflow: WorkflowExecution,
    digest: str,
    step: str,
    reason: str,
    limits: Limits,
    *,
    now: datetime,
) -> Decision:
    name = _name(workflow, digest, step)
    return Decision(
        reason=reason,
        digest=digest,
        request_ref=NamedRef(name=name, namespace=workflow.metadata.namespace),
        expires_at=now + _timeout(workflow, limits),
    )


def _timeout(workflow: WorkflowExecution, limits: Limits) -> timedelta:
    own = workflow.spec.execution_strategy.approval_timeout
    return durations.parse(own) if own else limits.approval_timeout


def _name(workflow: WorkflowExecution, digest: str, step: str) -> str:
    meta = workflow.metadata
    identity = sha256(f"{meta.uid}/{digest}/{step}".encode()).hexdigest()[:8]
    suffix = f"-approval-{identity}"
    return meta.name[: _MAX_NAME - len(suffix)].rstrip("-.") + suffix


def _changes(workflow: WorkflowExecution, only: str) -> list[str]:
    definition = definition_of(workflow)
    numbers = step_numbers(definition)
    return [
        _line(numbers[step.name], step)
        for step in definition.steps
        if only in {WHOLE_PLAN, step.name}
    ]


def _line(number: int, step: Step) -> str:
    given: dict[str, Any] = next(
        (each for each in msgspec.to_builtins(step.parameters).values() if each is not None), {}
    )
    words = [
        f"{key}={value}"
        for key, value in given.items()
        if value != "" and not isinstance(value, dict)
    ]
    return f"{number} {step.name}: {step.action} {' '.join(words)}".strip()[:_MAX_LINE]
