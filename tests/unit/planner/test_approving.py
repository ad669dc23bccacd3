"""Approvals: when one is needed, what is asked, and what an answer changes."""

from datetime import timedelta

import msgspec
import pytest

from services.planner.core import approving
from shared.api.approval import ApprovalStatus
from shared.api.approval import Decision as Answer
from shared.api.enums import Phase, StepPhase, StepReason
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import ExecutionStrategy
from shared.api.workflow_status import WorkflowStatus
from shared.limits import Limits
from shared.workflow.phases import derive
from tests.support.builders import NOW, make_workflow, notify_step, planned, scale_step, with_steps

LIMITS = Limits()
ASKING = ExecutionStrategy(approval_required=True, approval_timeout="2m")


def asked(workflow: WorkflowExecution) -> WorkflowExecution:
    """Return a planned workflow with the approval that it needs."""
    ready = planned(workflow)
    assert ready.status.execution_plan is not None
    approval = approving.needed(ready, ready.status.execution_plan, LIMITS, now=NOW)
    return at(ready, msgspec.structs.replace(ready.status, approval=approval))


def at(workflow: WorkflowExecution, status: WorkflowStatus) -> WorkflowExecution:
    return msgspec.structs.replace(workflow, status=derive(workflow, status, now=NOW))


def steps(count: int) -> WorkflowExecution:
    return make_workflow([notify_step(f"s{n}") for n in range(count)])


def test_row_35_the_threshold_is_what_may_run() -> None:
    assert asked(steps(10)).status.phase is Phase.EXECUTING
    waiting = asked(steps(11)).status
    assert waiting.phase is Phase.AWAITING_APPROVAL
    assert waiting.approval is not None
    assert waiting.approval.reason == "11 steps, more than the 10 that run without approval"


def test_what_is_asked_is_the_same_however_often_it_is_asked() -> None:
    workflow = asked(make_workflow([scale_step("web", replicas=4)], strategy=ASKING))
    (step, question), *_ = approving.pending(workflow).items()

    request = approving.request_for(workflow, step, question, LIMITS)

    assert request == approving.request_for(workflow, step, question, LIMITS)
    assert request.spec.requested_at == NOW
    assert question.expires_at == NOW + timedelta(minutes=2)
    assert request.spec.changes == ["1 web: scale_deployment deployment=web replicas=4"]


@pytest.mark.parametrize(
    ("decision", "phase", "step"),
    [
        (Answer.APPROVED, Phase.EXECUTING, StepPhase.PENDING),
        (Answer.REJECTED, Phase.FAILED, StepPhase.SKIPPED),
        (Answer.EXPIRED, Phase.FAILED, StepPhase.SKIPPED),
    ],
)
def test_row_36_each_answer_has_its_end(decision: Answer, phase: Phase, step: StepPhase) -> None:
    workflow = asked(make_workflow([scale_step("web")], strategy=ASKING))
    answer = ApprovalStatus(decision=decision, decided_by="bob", decided_at=NOW)

    status = approving.answered(workflow, {approving.WHOLE_PLAN: answer})

    assert status is not None
    after = at(workflow, status)
    assert after.status.phase is phase
    assert after.status.steps[0].phase is step
    assert after.status.approval is not None
    assert after.status.approval.decided_by == "bob"
    assert approving.answered(after, {approving.WHOLE_PLAN: answer}) is None


def test_row_37_another_plan_needs_another_answer() -> None:
    workflow = asked(make_workflow([scale_step("web")], strategy=ASKING))
    answer = ApprovalStatus(decision=Answer.APPROVED, decided_by="bob", decided_at=NOW)
    status = approving.answered(workflow, {approving.WHOLE_PLAN: answer})
    assert status is not None
    approved = at(workflow, status)
    plan = approved.status.execution_plan
    assert plan is not None

    same = approving.needed(approved, plan, LIMITS, now=NOW)
    other = approving.needed(
        approved, msgspec.structs.replace(plan, digest="f" * 64), LIMITS, now=NOW
    )

    assert same == approved.status.approval
    assert other.decision == ""
    assert other.request_ref != same.request_ref


def test_a_request_of_another_plan_or_workflow_is_no_answer() -> None:
    workflow = asked(make_workflow([scale_step("web")], strategy=ASKING))
    (step, question), *_ = approving.pending(workflow).items()
    ours = approving.request_for(workflow, step, question, LIMITS)
    other = msgspec.structs.replace(ours.spec, plan_hash="f" * 64)
    stranger = msgspec.structs.replace(ours.metadata, owner_references=[])

    assert approving.is_answer(ours, ours)
    assert not approving.is_answer(msgspec.structs.replace(ours, spec=other), ours)
    assert not approving.is_answer(msgspec.structs.replace(ours, metadata=stranger), ours)


def test_a_gate_is_asked_for_once_and_again_for_another_plan() -> None:
    workflow = planned(make_workflow([scale_step("web"), scale_step("api")]))
    blocked = with_steps(workflow, {})
    waiting = [
        msgspec.structs.replace(s, phase=StepPhase.BLOCKED, reason=StepReason.AWAITING_APPROVAL)
        if s.name == "web"
        else s
        for s in blocked.status.steps
    ]
    gated = at(blocked, msgspec.structs.replace(blocked.status, steps=waiting))

    status = approving.with_gates(gated, LIMITS, now=NOW)

    assert status is not None
    opened = at(gated, status)
    assert list(approving.pending(opened)) == ["web"]
    assert approving.with_gates(opened, LIMITS, now=NOW) is None
    plan = opened.status.execution_plan
    assert plan is not None
    revised = msgspec.structs.replace(
        opened.status, execution_plan=msgspec.structs.replace(plan, digest="f" * 64)
    )
    assert approving.with_gates(at(opened, revised), LIMITS, now=NOW) is not None
