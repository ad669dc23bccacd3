"""Adjustments: what they make of a plan, why they are refused, and that each is decided once."""

from typing import Any

import msgspec
import pytest

from services.monitor.core.progress import is_over
from services.orchestrator.core.decide import decide
from services.planner.core.adjusting import revised
from services.planner.core.finished import is_finished
from shared.api.enums import Control, Phase, StepPhase
from shared.api.results import StepResult
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import (
    AdaptiveOrchestration,
    Adjustment,
    ExecutionStrategy,
    Insertion,
    Step,
)
from shared.api.workflow_status import ControlStatus, ValidationResults, WorkflowStatus
from shared.limits import Limits
from shared.workflow.definition import definition_of, steps_of
from shared.workflow.graph import step_numbers
from shared.workflow.phases import derive
from tests.support.builders import (
    NOW,
    diamond,
    make_workflow,
    notify_step,
    planned,
    scale_step,
    with_steps,
)

LIMITS = Limits()
WARM = Adjustment(
    name="warm",
    insert=[Insertion(step=scale_step("warm-cache", needs=["a"]), before=["d"])],
    reason="the cache is cold",
)


def removing(*names: str) -> Adjustment:
    return Adjustment(name="less", remove=list(names))


def inserting(step: Step, *before: str) -> Adjustment:
    return Adjustment(name="more", insert=[Insertion(step=step, before=list(before))])


def running(
    *adjustments: Adjustment,
    steps: list[Step] | None = None,
    phases: dict[str, StepPhase] | None = None,
    strategy: ExecutionStrategy | None = None,
) -> WorkflowExecution:
    """Return a planned workflow whose spec has grown by adjustments."""
    workflow = planned(make_workflow(steps or diamond(), strategy=strategy))
    return asking(with_steps(workflow, phases or {}), *adjustments)


def asking(workflow: WorkflowExecution, *adjustments: Adjustment) -> WorkflowExecution:
    adaptive = AdaptiveOrchestration(dynamic_step_adjustment=True, adjustments=list(adjustments))
    spec = msgspec.structs.replace(workflow.spec, adaptive_orchestration=adaptive)
    return msgspec.structs.replace(workflow, spec=spec)


def with_status(workflow: WorkflowExecution, **changes: Any) -> WorkflowExecution:
    status = msgspec.structs.replace(workflow.status, **changes)
    return msgspec.structs.replace(workflow, status=status)


def after(workflow: WorkflowExecution, *, limits: Limits = LIMITS) -> WorkflowExecution:
    status = revised(workflow, limits, now=NOW)
    assert status is not None
    return msgspec.structs.replace(workflow, status=derive(workflow, status, now=NOW))


def refusal(workflow: WorkflowExecution, *, limits: Limits = LIMITS) -> str:
    """Return why an adjustment was refused, having made sure that nothing else changed."""
    status = revised(workflow, limits, now=NOW)
    assert status is not None
    [entry] = status.adaptive_adjustments
    assert not entry.accepted
    assert entry.revision == 1
    assert msgspec.structs.replace(status, adaptive_adjustments=[]) == workflow.status
    return entry.reason


def test_row_93_a_step_is_put_in_before_another_one() -> None:
    workflow = after(running(WARM, phases={"a": StepPhase.COMPLETED}))

    status = workflow.status
    assert status.execution_plan is not None
    assert (status.plan_revision, status.execution_plan.revision) == (2, 2)
    assert status.execution_plan.adjustments == ["warm"]
    assert status.execution_plan.batches == [["a"], ["b", "c", "warm-cache"], ["d"]]
    assert status.total_steps == 5
    assert [(step.name, step.step_number) for step in status.steps] == [
        ("a", 1),
        ("b", 2),
        ("c", 3),
        ("d", 4),
        ("warm-cache", 5),
    ]
    assert status.steps[0].phase is StepPhase.COMPLETED
    [entry] = status.adaptive_adjustments
    assert (entry.name, entry.revision, entry.accepted) == ("warm", 2, True)
    assert entry.adjustment == "+ warm-cache (scale_deployment) before d"
    assert entry.reason == "the cache is cold"


def test_row_93_a_step_that_nothing_depends_on_is_taken_out() -> None:
    workflow = after(running(removing("d")))

    assert [step.name for step in workflow.status.steps] == ["a", "b", "c"]
    assert workflow.status.total_steps == 3
    assert workflow.status.adaptive_adjustments[0].adjustment == "- d"
    assert list(steps_of(workflow)) == ["a", "b", "c"]


def test_each_adjustment_is_decided_once() -> None:
    workflow = after(running(WARM, removing("nothing")))

    assert [entry.accepted for entry in workflow.status.adaptive_adjustments] == [True, False]
    assert revised(workflow, LIMITS, now=NOW) is None


def test_several_are_decided_in_one_write_each_on_what_the_last_one_left() -> None:
    on_top = Adjustment(
        name="top", insert=[Insertion(step=notify_step("tell", needs=["warm-cache"]))]
    )

    workflow = after(running(WARM, on_top))

    assert [entry.revision for entry in workflow.status.adaptive_adjustments] == [2, 3]
    assert workflow.status.plan_revision == 3
    assert step_numbers(definition_of(workflow))["tell"] == 6


def test_row_94_a_cycle_is_refused_and_the_plan_stays() -> None:
    looping = inserting(scale_step("x", needs=["d"]), "b")

    assert "these steps wait for each other" in refusal(running(looping))


@pytest.mark.parametrize(
    ("adjustment", "why"),
    [
        (removing("x"), "remove: there is no step 'x' in the plan"),
        (removing("a"), "remove: step 'a' is Running already"),
        (removing("b"), "remove: step 'd' depends on 'b'; remove both, or neither"),
        (inserting(scale_step("x"), "a"), "insert[0].before: step 'a' is Running already"),
        (inserting(scale_step("x"), "y"), "insert[0].before: there is no step 'y' in the plan"),
        (inserting(scale_step("b")), "insert[0].step: 2 steps have this name; give each its own"),
        (
            inserting(scale_step("x", needs=["y"])),
            "insert[0].step.dependsOn: there is no step 'y'; name a step of this workflow",
        ),
        (
            inserting(Step(name="x", action="fly")),
            "insert[0].step.action: 'fly' is no action of this version",
        ),
        (
            Adjustment(
                name="both",
                insert=[Insertion(step=scale_step("x"), before=["d"])],
                remove=["d"],
            ),
            "insert[0].before: step 'd' is removed by the same adjustment",
        ),
        (Adjustment(name="odd", when="1 +", remove=["d"]), "when: "),
        (Adjustment(name="odd", when="vars.x == 1", remove=["d"]), "when: there is no variable"),
        (Adjustment(name="odd", when='steps.x.phase == ""', remove=["d"]), "when: step 'x'"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_field(adjustment: Adjustment, why: str) -> None:
    reason = refusal(running(adjustment, phases={"a": StepPhase.RUNNING}))

    assert reason.startswith(why)


def test_more_steps_than_allowed_are_refused() -> None:
    assert "5 steps, more than the 4" in refusal(running(WARM), limits=Limits(max_steps=4))


def test_a_retried_step_has_begun() -> None:
    workflow = running(removing("d"), phases={"d": StepPhase.PENDING})

    assert refusal(workflow) == "remove: step 'd' has begun already"


def test_a_queued_step_can_still_be_taken_out() -> None:
    workflow = running(removing("d"))
    steps = [
        msgspec.structs.replace(step, phase=StepPhase.QUEUED) for step in workflow.status.steps
    ]

    assert len(after(with_status(workflow, steps=steps)).status.steps) == 3


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"phase": Phase.COMPLETED}, "arrived after the workflow had ended (Completed)"),
        (
            {"control": ControlStatus(stop=Control.CANCEL)},
            "arrived after the workflow was stopped (Cancelled)",
        ),
    ],
)
def test_what_comes_too_late_is_refused(changes: dict[str, Any], why: str) -> None:
    assert refusal(with_status(running(WARM), **changes)) == why


def test_a_condition_without_a_value_does_not_hold_yet() -> None:
    conditional = msgspec.structs.replace(WARM, when="steps.a.result.success")

    assert revised(running(conditional), LIMITS, now=NOW) is None


def test_a_condition_that_holds_applies_the_adjustment() -> None:
    conditional = msgspec.structs.replace(WARM, when="steps.a.result.success", reason="")
    workflow = with_result(running(conditional, phases={"a": StepPhase.COMPLETED}))

    [entry] = after(workflow).status.adaptive_adjustments

    assert entry.accepted
    assert entry.reason == "when steps.a.result.success"


def with_result(workflow: WorkflowExecution) -> WorkflowExecution:
    first, *others = workflow.status.steps
    done = msgspec.structs.replace(first, result=StepResult(success=True))
    return with_status(workflow, steps=[done, *others])


def test_nothing_starts_while_an_adjustment_is_due() -> None:
    workflow = running(inserting(notify_step("x", needs=["a"]), "b", "c"))
    completed = with_steps(workflow, {"a": StepPhase.COMPLETED})

    assert not granted(decide(completed, {}, now=NOW, limit=5))
    assert granted(decide(after(completed), {}, now=NOW, limit=5)) == {"x"}


def granted(status: WorkflowStatus | None) -> set[str]:
    return set(status.tokens) if status else set()


def test_a_workflow_is_not_over_while_an_adjustment_is_due() -> None:
    done = dict.fromkeys("abcd", StepPhase.COMPLETED)
    conditional = msgspec.structs.replace(
        inserting(notify_step("x")), when='steps.d.phase == "Completed"'
    )

    workflow = running(conditional, phases=done)

    assert not is_over(workflow)
    assert not is_over(after(workflow))
    assert is_over(running(msgspec.structs.replace(conditional, when="false"), phases=done))


def test_growth_past_the_threshold_reopens_approval() -> None:
    workflow = after(running(WARM), limits=Limits(approval_threshold=4))

    status = workflow.status
    assert status.phase is Phase.AWAITING_APPROVAL
    assert status.approval is not None
    assert status.execution_plan is not None
    assert status.approval.digest == status.execution_plan.digest


def test_another_plan_of_a_workflow_that_asks_for_approval_needs_another_answer() -> None:
    strategy = ExecutionStrategy(approval_required=True)
    workflow = running(WARM, strategy=strategy)
    before = workflow.status.execution_plan
    assert before is not None

    agreed = with_status(workflow, validation_results=ValidationResults(approval_received=True))

    status = after(agreed).status

    approval, results = status.approval, status.validation_results
    assert approval is not None
    assert approval.required
    assert results is not None
    assert results.approval_received is None
    assert not approval.decision
    assert approval.digest != before.digest


def test_the_remediation_data_stays_in_the_plan() -> None:
    workflow = running(WARM)
    assert workflow.status.execution_plan is not None
    plan = msgspec.structs.replace(
        workflow.status.execution_plan, remediation={"severity": "critical"}
    )

    changed = after(with_status(workflow, execution_plan=plan)).status.execution_plan

    assert changed is not None
    assert changed.remediation == {"severity": "critical"}


def test_an_ended_workflow_is_walked_until_what_came_late_is_answered() -> None:
    spec = {"adaptiveOrchestration": {"adjustments": [{"name": "late"}]}}
    ended = {"phase": "Completed", "executionPlan": {}}

    assert not is_finished({"spec": spec, "status": ended})
    answered = ended | {"adaptiveAdjustments": [{"name": "late"}]}
    assert is_finished({"spec": spec, "status": answered})
    assert not is_finished({"status": {"phase": "Executing"}})
    assert is_finished({"status": {"phase": "Failed"}})
