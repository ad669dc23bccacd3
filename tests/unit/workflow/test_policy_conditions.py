"""What the conditions of a workflow say of steps that policies hold up."""

import msgspec

from shared.api.enums import (
    Phase,
    RollbackPhase,
    RollbackStepPhase,
    RollbackType,
    StepPhase,
    StepReason,
)
from shared.api.meta import Condition
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import Rollback, RollbackStep
from shared.workflow.conditions import conditions_of
from tests.support.builders import make_workflow, planned, scale_step


def held_up(phase: StepPhase, reason: StepReason | None, message: str = "") -> WorkflowExecution:
    workflow = planned(make_workflow([scale_step("free"), scale_step("held")]))
    free, held = workflow.status.steps
    told = msgspec.structs.replace(held, phase=phase, reason=reason, message=message)
    status = msgspec.structs.replace(workflow.status, steps=[free, told])
    return msgspec.structs.replace(workflow, status=status)


def said(workflow: WorkflowExecution, kind: str) -> tuple[str, str, str] | None:
    found = conditions_of(workflow, workflow.status.phase, "", "")
    return next((_told(each) for each in found if each.type == kind), None)


def _told(condition: Condition) -> tuple[str, str, str]:
    return str(condition.status), condition.reason, condition.message


def after(workflow: WorkflowExecution, then: WorkflowExecution) -> WorkflowExecution:
    """Return the later version, with the conditions of the one before."""
    conditions = conditions_of(workflow, workflow.status.phase, "", "")
    status = msgspec.structs.replace(then.status, conditions=conditions)
    return msgspec.structs.replace(then, status=status)


def test_row_76_a_step_that_waits_for_its_preconditions_is_named() -> None:
    waiting = held_up(StepPhase.BLOCKED, StepReason.PRECONDITION_FAILED, "precondition p: no")

    assert said(waiting, "PreconditionsBlocked") == (
        "True",
        "Waiting",
        "step held: precondition p: no",
    )
    assert said(waiting, "Blocked") is not None


def test_row_76_a_step_that_waited_in_vain_stays_named() -> None:
    failed = held_up(StepPhase.FAILED, StepReason.PRECONDITION_FAILED, "not started, no")

    assert said(failed, "PreconditionsBlocked") == (
        "True",
        "PreconditionFailed",
        "step held: not started, no",
    )


def test_row_76_a_step_that_may_start_is_blocked_no_longer() -> None:
    waiting = held_up(StepPhase.BLOCKED, StepReason.PRECONDITION_FAILED, "no")
    running = held_up(StepPhase.RUNNING, None)

    assert said(after(waiting, running), "PreconditionsBlocked") == ("False", "Released", "")
    assert said(running, "PreconditionsBlocked") is None


def test_row_72_a_denial_of_the_safety_policies_is_a_condition() -> None:
    denied = held_up(StepPhase.FAILED, StepReason.POLICY_VIOLATION, "safety_nodes.rego: no")

    assert said(denied, "PolicyViolation") == (
        "True",
        "SafetyPolicyDenied",
        "step held: safety_nodes.rego: no",
    )
    again = after(denied, held_up(StepPhase.RUNNING, None))
    assert said(again, "PolicyViolation") == ("False", "Retried", "")


def test_row_72_a_denied_undo_is_one_too() -> None:
    workflow = held_up(StepPhase.FAILED, None)
    undo = RollbackStep(
        name="free",
        phase=RollbackStepPhase.FAILED,
        reason=str(StepReason.POLICY_VIOLATION),
        message="safety_x.rego: no",
    )
    rollback = Rollback(phase=RollbackPhase.RUNNING, strategy=RollbackType.AUTOMATIC, steps=[undo])
    status = msgspec.structs.replace(workflow.status, rollback=rollback, phase=Phase.ROLLING_BACK)
    workflow = msgspec.structs.replace(workflow, status=status)

    assert said(workflow, "PolicyViolation") == (
        "True",
        "SafetyPolicyDenied",
        "undo of free: safety_x.rego: no",
    )
