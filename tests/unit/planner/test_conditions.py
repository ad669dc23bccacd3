"""What of a workflow's conditions and their overrides is refused before anything runs."""

from typing import Any

import msgspec
import pytest

from services.planner.core.defects import Reason
from services.planner.core.validate import validate
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import (
    ActionOverrides,
    AdaptiveOrchestration,
    Adjustment,
    ConditionOverride,
    Insertion,
    Step,
    StepCondition,
)
from tests.support.builders import make_workflow, scale_step

STEPS = "spec.workflowDefinition.steps"


def condition(type_: str = "deployment_exists", **changes: Any) -> StepCondition:
    return msgspec.structs.replace(StepCondition(type=type_, description="d"), **changes)


def guarded(*before: StepCondition, after: tuple[StepCondition, ...] = ()) -> Step:
    step = scale_step("a")
    return msgspec.structs.replace(step, pre_conditions=list(before), post_conditions=list(after))


def overridden(*steps: Step, action: str, **overrides: dict[str, Any]) -> WorkflowExecution:
    workflow = make_workflow(list(steps))
    spec = msgspec.structs.replace(
        workflow.spec, condition_overrides={action: ActionOverrides(**overrides)}
    )
    return msgspec.structs.replace(workflow, spec=spec)


def told(workflow: WorkflowExecution, **unusable: Any) -> list[tuple[str, Reason]]:
    return [(defect.path, defect.reason) for defect in validate(workflow, **unusable)]


def test_conditions_that_can_be_evaluated_are_fine() -> None:
    step = guarded(condition(timeout="10s"), after=(condition(), condition("other")))

    assert told(make_workflow([step])) == []


def test_two_conditions_of_one_type_cannot_be_told_apart() -> None:
    step = guarded(condition(), condition())

    assert set(told(make_workflow([step]))) == {
        (f"{STEPS}[a].preConditions[deployment_exists]", Reason.DUPLICATE_CONDITION)
    }


@pytest.mark.parametrize("timeout", ["5 minutes", "0s", "61m", "-1s", ""])
def test_a_timeout_that_no_condition_can_have_is_refused(timeout: str) -> None:
    step = guarded(after=(condition(timeout=timeout),))

    assert told(make_workflow([step])) == [
        (f"{STEPS}[a].postConditions[deployment_exists].timeout", Reason.INVALID_DURATION)
    ]


def test_a_policy_that_cannot_be_used_is_refused_where_it_stands() -> None:
    workflow = make_workflow([guarded(condition(), after=(condition(),))])
    unusable = {("a", "postcondition", "deployment_exists"): "line 3: unexpected }"}

    [defect] = validate(workflow, unusable=unusable)

    assert defect.path == f"{STEPS}[a].postConditions[deployment_exists].rego"
    assert (defect.reason, defect.message) == (Reason.INVALID_POLICY, "line 3: unexpected }")


def test_an_override_of_a_condition_that_a_step_has_is_fine_in_any_spelling() -> None:
    override = {"deployment_exists": ConditionOverride(required=False)}

    for action in ("scale_deployment", "scale-deployment"):
        workflow = overridden(guarded(condition()), action=action, preconditions=override)
        assert told(workflow) == []


def test_an_override_that_means_nothing_is_refused_and_says_what_there_is() -> None:
    step = guarded(condition(), after=(condition("ready"),))
    override = {"deployment_exists": ConditionOverride(required=False)}
    workflow = overridden(step, action="scale_deployment", postconditions=override)

    [defect] = validate(workflow)

    path = "spec.conditionOverrides[scale_deployment].postconditions[deployment_exists]"
    assert (defect.path, defect.reason) == (path, Reason.UNKNOWN_CONDITION)
    assert defect.message.endswith("there are: ready")


@pytest.mark.parametrize("action", ["drain_node", "no_such_action"])
def test_an_override_for_an_action_that_no_step_has_is_refused(action: str) -> None:
    workflow = overridden(guarded(condition()), action=action)

    assert told(workflow) == [(f"spec.conditionOverrides[{action}]", Reason.UNKNOWN_CONDITION)]


def test_keys_with_any_text_do_not_pass_for_a_reason() -> None:
    override = {"b: NotAReason: c": ConditionOverride(required=False)}
    odd = condition("a: NotAReason: b", timeout="0s")
    workflow = overridden(guarded(odd), action="scale_deployment", preconditions=override)
    nowhere = overridden(guarded(condition()), action="a: NotAReason: b")

    for each in (workflow, nowhere):
        for defect in validate(each):
            assert ": " not in defect.path


def test_row_90_one_action_is_overridden_under_one_name() -> None:
    override = {"deployment_exists": ConditionOverride(required=False)}
    overrides = ActionOverrides(preconditions=override)
    workflow = overridden(guarded(condition()), action="scale_deployment", preconditions=override)
    twice = {"scale_deployment": overrides, "ScaleDeployment": overrides}
    spec = msgspec.structs.replace(workflow.spec, condition_overrides=twice)

    [defect] = validate(msgspec.structs.replace(workflow, spec=spec))

    assert defect.path == "spec.conditionOverrides[ScaleDeployment]"
    assert defect.message == "this is scale_deployment too, which is there already; keep one"


def test_a_step_that_may_be_inserted_counts_for_overrides() -> None:
    override = {"deployment_exists": ConditionOverride(required=False)}
    late = msgspec.structs.replace(guarded(condition()), name="late")
    workflow = overridden(scale_step("a"), action="scale_deployment", preconditions=override)
    adaptive = AdaptiveOrchestration(
        adjustments=[Adjustment(name="more", insert=[Insertion(step=late)])]
    )
    spec = msgspec.structs.replace(workflow.spec, adaptive_orchestration=adaptive)

    assert told(msgspec.structs.replace(workflow, spec=spec)) == []
