"""Approvals: when one is needed, what is asked, and what an answer changes."""

from datetime import timedelta

import msgspec
import pytest

from services.planner.core import approving, requests
from services.planner.core.approving import Heard
from services.planner.core.requests import WHOLE_PLAN
from shared.api.approval import ApprovalStatus
from shared.api.approval import Decision as Answer
from shared.api.enums import Phase, StepPhase, StepReason
from shared.api.parameters import (
    Parameters,
    TargetResource,
    UpdateConfigmap,
    WaitForCondition,
)
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import (
    ActionOverrides,
    ConditionOverride,
    ExecutionStrategy,
    Step,
    StepCondition,
)
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


def told(workflow: WorkflowExecution, status: ApprovalStatus) -> WorkflowExecution | None:
    """Return the workflow after its present question about the plan has this answer."""
    heard = heard_of(workflow, status)
    after = approving.answered(workflow, heard, now=NOW)
    return None if after is None else at(workflow, after)


def heard_of(workflow: WorkflowExecution, status: ApprovalStatus) -> dict[str, Heard]:
    assert workflow.status.approval is not None
    return {WHOLE_PLAN: Heard(digest=workflow.status.approval.digest, status=status)}


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

    request = requests.request_for(workflow, step, question, LIMITS)

    assert request == requests.request_for(workflow, step, question, LIMITS)
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

    after = told(workflow, answer)

    assert after is not None
    assert after.status.phase is phase
    assert after.status.steps[0].phase is step
    assert after.status.skipped_steps == (step is StepPhase.SKIPPED)
    assert after.status.approval is not None
    assert after.status.approval.decided_by == "bob"
    results = after.status.validation_results
    assert results is not None
    assert results.approval_received is (decision is Answer.APPROVED)
    assert results.approval_timestamp == (NOW if decision is Answer.APPROVED else None)
    assert told(after, answer) is None


def test_an_answer_without_a_time_has_that_of_its_reading() -> None:
    workflow = asked(make_workflow([scale_step("web")], strategy=ASKING))

    after = told(workflow, ApprovalStatus(decision=Answer.APPROVED, decided_by="bob"))

    assert after is not None
    assert after.status.approval is not None
    assert after.status.approval.decided_at == NOW


def test_row_37_another_plan_needs_another_answer() -> None:
    workflow = asked(make_workflow([scale_step("web")], strategy=ASKING))
    answer = ApprovalStatus(decision=Answer.APPROVED, decided_by="bob", decided_at=NOW)
    approved = told(workflow, answer)
    assert approved is not None
    plan = approved.status.execution_plan
    assert plan is not None

    same = approving.needed(approved, plan, LIMITS, now=NOW)
    other = approving.needed(
        approved, msgspec.structs.replace(plan, digest="f" * 64), LIMITS, now=NOW
    )

    assert same == approved.status.approval
    assert other.decision == ""
    assert other.request_ref != same.request_ref


def test_row_37_an_answer_that_was_read_before_the_plan_changed_counts_for_nothing() -> None:
    workflow = asked(make_workflow([scale_step("web")], strategy=ASKING))
    answer = ApprovalStatus(decision=Answer.APPROVED, decided_by="bob", decided_at=NOW)
    heard = heard_of(workflow, answer)
    plan = workflow.status.execution_plan
    assert plan is not None
    other = msgspec.structs.replace(plan, digest="f" * 64)
    renewed = approving.needed(workflow, other, LIMITS, now=NOW)
    status = msgspec.structs.replace(workflow.status, execution_plan=other, approval=renewed)

    assert approving.answered(at(workflow, status), heard, now=NOW) is None


def test_what_keeps_people_from_answering_is_told_and_taken_back() -> None:
    workflow = asked(make_workflow([scale_step("web")], strategy=ASKING))

    kept = told(workflow, ApprovalStatus(message="delete it"))

    assert kept is not None
    assert kept.status.phase is Phase.AWAITING_APPROVAL
    assert kept.status.message == "the workflow asks for approval; delete it"
    assert told(kept, ApprovalStatus(message="delete it")) is None
    again = told(kept, ApprovalStatus())
    assert again is not None
    assert again.status.approval == workflow.status.approval


def test_who_did_not_answer_has_answered() -> None:
    workflow = asked(make_workflow([scale_step("web")], strategy=ASKING))
    (step, question), *_ = approving.pending(workflow).items()
    request = requests.request_for(workflow, step, question, LIMITS)

    assert approving.expired(request, obstacle="", now=NOW).message == "nobody decided within 120s"
    kept = approving.expired(request, obstacle="delete it", now=NOW)
    assert kept.message == "nobody decided within 120s; delete it"


@pytest.mark.parametrize(
    ("action", "parameters", "words"),
    [
        (
            "wait_for_condition",
            Parameters(
                wait_for_condition=WaitForCondition(
                    target_resource=TargetResource(kind="Deployment", name="web"),
                    condition="Available",
                )
            ),
            "kind=Deployment name=web condition=Available",
        ),
        (
            "update_configmap",
            Parameters(update_configmap=UpdateConfigmap(config_map="app", data={"a": "1"})),
            "configMap=app a=1",
        ),
        (
            "rotate_secrets",
            msgspec.convert({"rotateSecrets": {"secret": "app", "keys": ["a", "b"]}}, Parameters),
            "secret=app keys=a,b length=32",
        ),
        (
            "patch-secret",
            msgspec.convert(
                {"updateSecret": {"secret": "app", "data": {"b": "c2VjcmV0", "a": "YQ=="}}},
                Parameters,
            ),
            "secret=app data=a,b",
        ),
    ],
)
def test_people_see_what_a_step_does_to_what(
    action: str, parameters: Parameters, words: str
) -> None:
    step = Step(name="web", action=action, parameters=parameters)
    workflow = asked(make_workflow([step], strategy=ASKING))
    (name, question), *_ = approving.pending(workflow).items()

    (line,) = requests.request_for(workflow, name, question, LIMITS).spec.changes

    assert line == f"1 web: {action} {words}"


def test_row_90_people_see_which_conditions_a_workflow_does_not_require() -> None:
    def condition(name: str, *, required: bool = True) -> StepCondition:
        return StepCondition(type=name, description="d", required=required)

    guarded = msgspec.structs.replace(
        scale_step("web", replicas=4),
        pre_conditions=[condition("there"), condition("nice", required=False), condition("roomy")],
        post_conditions=[condition("well")],
    )
    off, on = ConditionOverride(required=False), ConditionOverride(required=True)
    overrides = {
        "ScaleDeployment": ActionOverrides(
            preconditions={"there": off, "nice": off, "roomy": on}, postconditions={"well": off}
        ),
        "restart_deployment": ActionOverrides(preconditions={"roomy": off}),
    }
    workflow = make_workflow([guarded], strategy=ASKING)
    spec = msgspec.structs.replace(workflow.spec, condition_overrides=overrides)
    workflow = asked(msgspec.structs.replace(workflow, spec=spec))
    (step, question), *_ = approving.pending(workflow).items()

    (line,) = requests.request_for(workflow, step, question, LIMITS).spec.changes

    assert line == ("1 web: scale_deployment deployment=web replicas=4; not required: there, well")


def test_a_request_of_another_plan_or_workflow_is_no_answer() -> None:
    workflow = asked(make_workflow([scale_step("web")], strategy=ASKING))
    (step, question), *_ = approving.pending(workflow).items()
    ours = requests.request_for(workflow, step, question, LIMITS)
    other = msgspec.structs.replace(ours.spec, plan_hash="f" * 64)
    stranger = msgspec.structs.replace(ours.metadata, owner_references=[])
    by_nobody = msgspec.structs.replace(ours.spec, submitted_by="somebody else")

    assert requests.is_ours(ours, ours)
    assert not requests.is_ours(msgspec.structs.replace(ours, spec=other), ours)
    assert not requests.is_ours(msgspec.structs.replace(ours, metadata=stranger), ours)
    assert not requests.is_ours(msgspec.structs.replace(ours, spec=by_nobody), ours)


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
