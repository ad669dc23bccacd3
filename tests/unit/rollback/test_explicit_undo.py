"""An undo that the step itself names wins over what was captured."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from shared.api.enums import OnDrift, Phase, RollbackStepPhase
from shared.api.parameters import Parameters, RestartDeployment, ScaleDeployment
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Step, StepRollback
from tests.support.builders import scale_step
from tests.support.undoing import Way, failed_after, undo_step


def scaling(replicas: int | str, *, namespace: str = "") -> StepRollback:
    scale = ScaleDeployment(deployment="other", replicas=replicas, namespace=namespace)
    return StepRollback(
        action="scale_deployment", parameters=Parameters(scale_deployment=scale), timeout="42s"
    )


def step_with(rollback: StepRollback) -> Step:
    return msgspec.structs.replace(scale_step("a"), rollback=rollback)


def with_variables(workflow: WorkflowExecution, values: Mapping[str, Any]) -> WorkflowExecution:
    definition = msgspec.structs.replace(workflow.spec.workflow_definition, variables=dict(values))
    spec = msgspec.structs.replace(workflow.spec, workflow_definition=definition)
    return msgspec.structs.replace(workflow, spec=spec)


def test_row_63_explicit_parameters_win() -> None:
    way = Way(failed_after(step_with(scaling(7)))).go()

    (wanted,) = way.created
    assert wanted.spec.action == "scale_deployment"
    assert wanted.spec.parameters == scaling(7).parameters
    assert wanted.spec.timeout == "42s"


def test_row_63_drift_is_no_question_for_an_explicit_undo() -> None:
    way = Way(failed_after(step_with(scaling(7)))).go()

    (wanted,) = way.created
    undone = wanted.spec.rollback_of
    assert undone is not None
    assert (undone.step, undone.target, undone.before, undone.after) == ("a", None, {}, {})
    assert undone.on_drift is OnDrift.FORCE


def test_an_explicit_undo_needs_nothing_captured() -> None:
    way = Way(failed_after(step_with(scaling(7))), executions=[]).go()

    assert way.undone == ["a"]
    assert way.workflow.status.phase is Phase.ROLLED_BACK


def test_an_explicit_undo_makes_an_irreversible_step_reversible() -> None:
    restart = Step(
        name="bounce",
        action="restart_deployment",
        parameters=Parameters(restart_deployment=RestartDeployment(deployment="x")),
        rollback=scaling(7),
    )

    way = Way(failed_after(restart), executions=[]).go()

    assert way.undone == ["bounce"]


def test_expressions_of_an_explicit_undo_are_evaluated_when_it_begins() -> None:
    workflow = failed_after(step_with(scaling("${vars.few}")))

    way = Way(with_variables(workflow, {"few": 4})).go()

    (wanted,) = way.created
    assert wanted.spec.parameters == scaling(4).parameters


@pytest.mark.parametrize(
    ("rollback", "reason", "said"),
    [
        (scaling("${vars.none}"), "InvalidExpression", "scaleDeployment.replicas"),
        (scaling("${vars.few}"), "InvalidExpression", "expected"),
        (scaling(7, namespace="${vars.far}"), "InvalidExpression", "may only act in namespace"),
        (
            msgspec.structs.replace(scaling(7), action="fly"),
            "UnknownAction",
            "'fly' is no action",
        ),
    ],
)
def test_an_explicit_undo_that_makes_no_sense_fails_and_says_why(
    rollback: StepRollback, reason: str, said: str
) -> None:
    workflow = failed_after(step_with(rollback), scale_step("z"))

    way = Way(with_variables(workflow, {"few": "four", "far": "kube-system"})).go()

    step = undo_step(way.workflow, "a")
    assert (step.phase, step.reason) == (RollbackStepPhase.FAILED, reason)
    assert said in step.message
    assert way.undone == ["z"]
    assert way.workflow.status.phase is Phase.ROLLBACK_FAILED
