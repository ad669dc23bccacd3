"""Whether a condition has to hold, by step, spec and annotation."""

from collections.abc import Mapping

import msgspec
import pytest

from shared.api.meta import OVERRIDDEN_BY_ANNOTATION, OVERRIDE_ANNOTATION
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import ActionOverrides, ConditionOverride, Step, StepCondition
from shared.worker.overrides import Requirement, requirement
from tests.support.builders import make_workflow, scale_step

OLGA = {OVERRIDE_ANNOTATION: "there", OVERRIDDEN_BY_ANNOTATION: "olga"}
BY_OLGA = f"olga (annotation {OVERRIDE_ANNOTATION})"


def overridden(
    spec: Mapping[str, ActionOverrides] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> WorkflowExecution:
    workflow = make_workflow([scale_step("a")])
    meta = msgspec.structs.replace(workflow.metadata, annotations=dict(annotations or {}))
    changed = msgspec.structs.replace(workflow.spec, condition_overrides=dict(spec or {}))
    return msgspec.structs.replace(workflow, metadata=meta, spec=changed)


def asked(
    workflow: WorkflowExecution,
    *,
    required: bool = True,
    before: bool = True,
    step: Step | None = None,
) -> Requirement:
    condition = StepCondition(type="there", description="d", required=required)
    return requirement(workflow, step or scale_step("a"), condition, is_precondition=before)


def before(*, required: bool) -> ActionOverrides:
    return ActionOverrides(preconditions={"there": ConditionOverride(required=required)})


@pytest.mark.parametrize("required", [True, False])
def test_without_an_override_the_step_says_it(required: bool) -> None:
    assert asked(overridden(), required=required) == Requirement(is_required=required)


@pytest.mark.parametrize("name", ["scale_deployment", "ScaleDeployment"])
def test_row_90_the_spec_says_it_for_one_action_and_one_stage(name: str) -> None:
    workflow = overridden({name: before(required=False)})
    other = msgspec.structs.replace(scale_step("a"), action="restart_deployment")

    assert asked(workflow) == Requirement(
        is_required=False, overridden_by="spec.conditionOverrides"
    )
    assert asked(workflow, before=False).is_required
    assert asked(workflow, step=other).is_required


def test_row_90_the_spec_may_require_what_the_step_does_not() -> None:
    workflow = overridden({"scale_deployment": before(required=True)})

    assert asked(workflow, required=False) == Requirement(
        is_required=True, overridden_by="spec.conditionOverrides"
    )


def test_an_operator_is_named_and_wins_over_the_spec() -> None:
    workflow = overridden({"scale_deployment": before(required=True)}, OLGA)

    for stage in (True, False):
        found = asked(workflow, before=stage)
        assert found == Requirement(is_required=False, overridden_by=BY_OLGA)


@pytest.mark.parametrize(
    "annotations",
    [
        {OVERRIDE_ANNOTATION: "there"},
        {OVERRIDE_ANNOTATION: "there", OVERRIDDEN_BY_ANNOTATION: ""},
        {OVERRIDE_ANNOTATION: "their", OVERRIDDEN_BY_ANNOTATION: "olga"},
        {OVERRIDE_ANNOTATION: "*", OVERRIDDEN_BY_ANNOTATION: "olga"},
    ],
    ids=str,
)
def test_what_has_no_name_or_means_another_condition_overrides_nothing(
    annotations: dict[str, str],
) -> None:
    assert asked(overridden(annotations=annotations)) == Requirement(is_required=True)
