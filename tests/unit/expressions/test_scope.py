"""What expressions see of a workflow."""

import msgspec
import pytest

from shared.api.enums import ErrorType, StepPhase
from shared.api.results import RestartResult, ScaleResult, StepResult, UpdateResult
from shared.api.workflow import WorkflowExecution
from shared.expressions.expression import ExpressionError, evaluate
from shared.expressions.scope import scope_of
from tests.support.builders import UID, make_workflow, planned, scale_step

RESULTS = {
    "scale-web": StepResult(
        success=True,
        scale_result=ScaleResult(previous_replicas=2, new_replicas=4),
        resources_affected=["Deployment/default/web"],
    ),
    "restart-web": StepResult(success=True, restart_result=RestartResult(pods_restarted=3)),
    "update-web": StepResult(
        success=True,
        update_result=UpdateResult(
            resource_type="Deployment", update_type="image", previous_value="a", new_value="b"
        ),
    ),
}


def _workflow() -> WorkflowExecution:
    workflow = planned(make_workflow([scale_step(name) for name in (*RESULTS, "late")]))
    definition = msgspec.structs.replace(
        workflow.spec.workflow_definition, variables={"wanted": 4, "name": "web"}
    )
    plan = workflow.status.execution_plan
    assert plan is not None
    steps = [
        msgspec.structs.replace(
            step, phase=StepPhase.COMPLETED, attempts=1, result=RESULTS[step.name]
        )
        if step.name in RESULTS
        else msgspec.structs.replace(
            step, phase=StepPhase.FAILED, message="too late", error_type=ErrorType.TIMEOUT
        )
        for step in workflow.status.steps
    ]
    return msgspec.structs.replace(
        workflow,
        spec=msgspec.structs.replace(workflow.spec, workflow_definition=definition),
        status=msgspec.structs.replace(
            workflow.status,
            steps=steps,
            execution_plan=msgspec.structs.replace(plan, remediation={"severity": "critical"}),
        ),
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("vars.wanted", 4),
        ("steps.scale-web.result.previousReplicas", 2),
        ("steps.scale-web.result.scaleResult.newReplicas", 4),
        ("steps.scale-web.result.resourcesAffected[0]", "Deployment/default/web"),
        ("steps.restart-web.result.podsRestarted", 3),
        ("steps.update-web.result.newValue", "b"),
        ("steps.update-web.phase", "Completed"),
        ("steps.update-web.attempts", 1),
        ("steps.late.phase", "Failed"),
        ("steps.late.errorType", "timeout"),
        ("steps.late.message", "too late"),
        ("has(steps.late.result.newReplicas)", False),
        ("has(steps.update-web.result.scaleResult)", False),
        ("workflow.uid", UID),
        ("rr.severity + remediation.severity", "criticalcritical"),
    ],
)
def test_row_95_what_steps_and_variables_tell_is_there(text: str, value: object) -> None:
    assert evaluate(text, scope_of(_workflow())) == value


def test_what_a_step_did_not_report_is_an_error() -> None:
    with pytest.raises(ExpressionError, match="newReplicas"):
        evaluate("steps.late.result.newReplicas", scope_of(_workflow()))


def test_before_planning_there_are_no_steps_and_no_remediation() -> None:
    scope = scope_of(make_workflow([scale_step("a")]))

    assert (scope["steps"], scope["remediation"], scope["rr"]) == ({}, {}, {})
