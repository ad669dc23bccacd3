"""What expressions, variables and secondary steps may refer to."""

from typing import Any

import msgspec
import pytest

from services.planner.core.timeouts import planning_defect
from services.planner.core.validate import validate
from shared.api.enums import SecondaryMode
from shared.api.parameters import Parameters, ScaleDeployment
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import ExecutionStrategy, Secondary, Step, StepRollback
from tests.support.builders import make_workflow, notify_step, scale_step


def changed(step: Step, **fields: Any) -> Step:
    return msgspec.structs.replace(step, **fields)


def with_variables(workflow: WorkflowExecution, **variables: Any) -> WorkflowExecution:
    definition = msgspec.structs.replace(workflow.spec.workflow_definition, variables=variables)
    spec = msgspec.structs.replace(workflow.spec, workflow_definition=definition)
    return msgspec.structs.replace(workflow, spec=spec)


def defects(*steps: Step, **variables: Any) -> list[tuple[str, str]]:
    """Return reason and path of each defect, the path without its beginning."""
    found = validate(with_variables(make_workflow(steps), **variables))
    return [(str(d.reason), d.path.removeprefix("spec.workflowDefinition.")) for d in found]


A = scale_step("a")


@pytest.mark.parametrize(
    ("step", "variables", "expected"),
    [
        (changed(scale_step("b", needs=["a"]), run_if='steps.a.phase == "Completed"'), {}, []),
        (changed(scale_step("b"), run_if="vars.n > 1"), {"n": 3}, []),
        (
            changed(scale_step("b"), run_if="vars.n > 1"),
            {},
            [("InvalidExpression", "steps[b].runIf")],
        ),
        (
            changed(scale_step("b"), skip_if='steps.a.phase == "Completed"'),
            {},
            [("InvalidExpression", "steps[b].skipIf")],
        ),
        (
            changed(scale_step("b"), run_if="1 +"),
            {},
            [("InvalidExpression", "steps[b].runIf")],
        ),
        (
            changed(
                scale_step("b"),
                parameters=Parameters(
                    scale_deployment=ScaleDeployment(deployment="b", replicas="${vars.m}")
                ),
            ),
            {},
            [("InvalidExpression", "steps[b].parameters.scaleDeployment.replicas")],
        ),
        (changed(scale_step("b")), {"x y": 1}, [("InvalidVariable", "variables")]),
        (changed(scale_step("b")), {"x": [1]}, [("InvalidVariable", "variables[x]")]),
        (changed(scale_step("b")), {"x": "${y}"}, [("InvalidVariable", "variables[x]")]),
        (
            changed(notify_step("b"), convergent=True),
            {},
            [("InvalidParameters", "steps[b].convergent")],
        ),
        (
            changed(
                scale_step("b"),
                rollback=StepRollback(action="fly", parameters=Parameters()),
            ),
            {},
            [("UnknownAction", "steps[b].rollback.action")],
        ),
        (
            changed(
                scale_step("b"),
                rollback=StepRollback(
                    action="scale_deployment",
                    parameters=Parameters(
                        scale_deployment=ScaleDeployment(
                            deployment="b", replicas="${steps.b.result.previousReplicas}"
                        )
                    ),
                ),
            ),
            {},
            [],
        ),
    ],
)
def test_row_95_what_is_referred_to_exists_and_comes_first(
    step: Step, variables: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert defects(A, step, **variables) == expected


@pytest.mark.parametrize(
    ("primary", "mode", "expected"),
    [
        ("a", SecondaryMode.IF_PRIMARY_FAILS, []),
        ("b", SecondaryMode.PARALLEL_WITH_PRIMARY, ["InvalidSecondary"]),
        ("none", SecondaryMode.PARALLEL_WITH_PRIMARY, ["InvalidSecondary"]),
    ],
)
def test_a_secondary_step_needs_another_step(
    primary: str, mode: SecondaryMode, expected: list[str]
) -> None:
    step = changed(scale_step("b"), secondary=Secondary(primary=primary, mode=mode))

    found = [reason for reason, _ in defects(A, step)]

    assert [reason for reason in found if reason != "InvalidDependency"] == expected


@pytest.mark.parametrize(("seconds", "late"), [(30, False), (30.001, True)])
def test_planning_takes_its_time_and_no_longer(seconds: float, late: bool) -> None:
    from datetime import timedelta

    found = planning_defect(timedelta(seconds=seconds), timedelta(seconds=30))

    assert (found is not None) is late


def test_an_approval_cannot_expire_at_once() -> None:
    strategy = ExecutionStrategy(approval_timeout="0s")

    (found,) = validate(make_workflow([A], strategy=strategy))

    assert found.path == "spec.executionStrategy.approvalTimeout"
