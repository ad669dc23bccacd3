"""Each defect of a definition is found, at its path, under its reason."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from services.planner.core.unsupported import SPEC_ROWS, STEP_ROWS
from services.planner.core.validate import Reason, validate
from shared.api.enums import ExecutionMode
from shared.api.parameters import (
    NotifyOnly,
    Parameters,
    ScaleDeployment,
    TargetResource,
    WaitForCondition,
)
from shared.api.workflow_spec import (
    ExecutionStrategy,
    RetryPolicy,
    SafetyCheck,
    Step,
    StepRollback,
)
from tests.support.builders import diamond, make_workflow, notify_step, scale_step

ROOT = "spec.workflowDefinition"


def with_(step: Step, **changes: Any) -> Step:
    return msgspec.structs.replace(step, **changes)


def waiting(*, kind: str = "Deployment", namespace: str = "") -> Step:
    target = TargetResource(kind=kind, name="web", namespace=namespace)
    wait = WaitForCondition(target_resource=target, condition="Available")
    return Step(
        name="a", action="wait_for_condition", parameters=Parameters(wait_for_condition=wait)
    )


def scaling(namespace: str) -> Step:
    scale = ScaleDeployment(deployment="web", namespace=namespace, replicas=1)
    return with_(scale_step("a"), parameters=Parameters(scale_deployment=scale))


def chain(length: int) -> list[Step]:
    return [scale_step(f"s{i}", needs=[f"s{i - 1}"] if i else []) for i in range(length)]


BOTH_KEYS = Parameters(
    notify_only=NotifyOnly(message="hi"),
    scale_deployment=ScaleDeployment(deployment="web", replicas=1),
)


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(diamond(), id="diamond"),
        pytest.param(chain(100), id="chain of a hundred"),
        pytest.param([scale_step("a"), scale_step("b")], id="disconnected"),
        pytest.param([scale_step("a", critical=False)], id="a tolerated step"),
        pytest.param([waiting(kind="Job", namespace="default")], id="own namespace spelt out"),
        pytest.param([with_(scale_step("a"), timeout="15m")], id="longest timeout"),
        pytest.param([with_(scale_step("a"), target_cluster="local")], id="local cluster"),
        pytest.param(
            [with_(scale_step("a"), retry_policy=RetryPolicy(max_retries=0))], id="no retries"
        ),
        pytest.param([scale_step("a"), scale_step("b", needs=["1"])], id="need by number"),
        pytest.param([scale_step("x" * 40)], id="longest name"),
    ],
)
def test_good_definitions_have_no_defect(steps: list[Step]) -> None:
    assert validate(make_workflow(steps)) == []


@pytest.mark.parametrize(
    ("steps", "path", "reason"),
    [
        pytest.param([], f"{ROOT}.steps", Reason.EMPTY_STEPS, id="no steps"),
        pytest.param(chain(101), f"{ROOT}.steps", Reason.TOO_MANY_STEPS, id="101 steps"),
        pytest.param(
            [with_(scale_step("a"), name="Not_A_Label")],
            f"{ROOT}.steps[Not_A_Label].name",
            Reason.INVALID_NAME,
            id="name with capitals",
        ),
        pytest.param(
            [scale_step("x" * 41)],
            f"{ROOT}.steps[{'x' * 41}].name",
            Reason.INVALID_NAME,
            id="name too long",
        ),
        pytest.param(
            [scale_step("a"), scale_step("a")],
            f"{ROOT}.steps[a]",
            Reason.DUPLICATE_STEP,
            id="name twice",
        ),
        pytest.param(
            [with_(scale_step("a"), step_number=2), scale_step("b")],
            f"{ROOT}.steps[b].stepNumber",
            Reason.DUPLICATE_STEP_NUMBER,
            id="number equals the place of another",
        ),
        pytest.param(
            [Step(name="a", action=" ")],
            f"{ROOT}.steps[a].action",
            Reason.MISSING_ACTION,
            id="no action",
        ),
        pytest.param(
            [Step(name="a", action="dance")],
            f"{ROOT}.steps[a].action",
            Reason.UNKNOWN_ACTION,
            id="unknown action",
        ),
        pytest.param(
            [Step(name="a", action="notify_only")],
            f"{ROOT}.steps[a].parameters",
            Reason.INVALID_PARAMETERS,
            id="key of the action missing",
        ),
        pytest.param(
            [with_(notify_step("a"), parameters=BOTH_KEYS)],
            f"{ROOT}.steps[a].parameters.scaleDeployment",
            Reason.INVALID_PARAMETERS,
            id="key of another action",
        ),
        pytest.param(
            [scaling("kube-system")],
            f"{ROOT}.steps[a].parameters.scaleDeployment.namespace",
            Reason.INVALID_PARAMETERS,
            id="another namespace",
        ),
        pytest.param(
            [waiting(namespace="kube-system")],
            f"{ROOT}.steps[a].parameters.waitForCondition.targetResource.namespace",
            Reason.INVALID_PARAMETERS,
            id="waiting in another namespace",
        ),
        pytest.param(
            [waiting(kind="Service")],
            f"{ROOT}.steps[a].parameters.waitForCondition.targetResource.kind",
            Reason.INVALID_PARAMETERS,
            id="waiting for another kind",
        ),
        pytest.param(
            [scale_step("a", needs=["ghost"])],
            f"{ROOT}.steps[a].dependsOn",
            Reason.INVALID_DEPENDENCY,
            id="unknown dependency",
        ),
        pytest.param(
            [scale_step("a", needs=["2"])],
            f"{ROOT}.steps[a].dependsOn",
            Reason.INVALID_DEPENDENCY,
            id="unknown number",
        ),
        pytest.param(
            [scale_step("a", needs=["a"])],
            f"{ROOT}.steps[a].dependsOn",
            Reason.CIRCULAR_DEPENDENCY,
            id="self-dependency",
        ),
        pytest.param(
            [scale_step("a", needs=["b"]), scale_step("b", needs=["a"])],
            f"{ROOT}.steps[a].dependsOn",
            Reason.CIRCULAR_DEPENDENCY,
            id="cycle",
        ),
        *(
            pytest.param(
                [with_(scale_step("a"), timeout=timeout)],
                f"{ROOT}.steps[a].timeout",
                Reason.INVALID_DURATION,
                id=phrase,
            )
            for phrase, timeout in {
                "unreadable timeout": "5 minutes",
                "no time at all": "0s",
                "timeout over 15m": "15m1s",
                "timeout beyond any clock": "9" * 31 + "h",
            }.items()
        ),
        pytest.param(
            [with_(scale_step("a"), retry_policy=RetryPolicy(max_retries=0, max_delay="x"))],
            f"{ROOT}.steps[a].retryPolicy.maxDelay",
            Reason.INVALID_DURATION,
            id="unreadable delay",
        ),
    ],
)
def test_a_defect_of_the_steps(steps: list[Step], path: str, reason: Reason) -> None:
    [defect] = validate(make_workflow(steps))

    assert (defect.path, defect.reason) == (path, reason)
    assert defect.message


@pytest.mark.parametrize(
    ("mapped", "path"),
    [
        pytest.param({"a": ["ghost"]}, f"{ROOT}.dependencies[a]", id="unknown need"),
        pytest.param({"ghost": ["a"]}, f"{ROOT}.dependencies[ghost]", id="unknown step"),
        pytest.param({"a: b": ["a"]}, f"{ROOT}.dependencies", id="free text"),
    ],
)
def test_a_defect_of_the_dependency_map(mapped: dict[str, list[str]], path: str) -> None:
    workflow = make_workflow([scale_step("a")])
    definition = msgspec.structs.replace(workflow.spec.workflow_definition, dependencies=mapped)
    spec = msgspec.structs.replace(workflow.spec, workflow_definition=definition)

    [defect] = validate(msgspec.structs.replace(workflow, spec=spec))

    assert (defect.path, defect.reason) == (path, Reason.INVALID_DEPENDENCY)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("timeouts", "there is no error type 'timeouts'; there are: "),
        ("unknown_error", "unknown_error is never tried again"),
        ("cancelled", "cancelled is never tried again"),
    ],
)
def test_errors_that_cannot_be_retried_are_refused(error: str, message: str) -> None:
    policy = RetryPolicy(retryable_errors=["timeout", error])

    [defect] = validate(make_workflow([with_(scale_step("a"), retry_policy=policy)]))

    assert defect.path == f"{ROOT}.steps[a].retryPolicy.retryableErrors"
    assert defect.reason is Reason.INVALID_RETRY_POLICY
    assert defect.message.startswith(message)


def test_limits_are_configurable() -> None:
    workflow = make_workflow(chain(4))

    assert [d.reason for d in validate(workflow, max_steps=3)] == [Reason.TOO_MANY_STEPS]
    assert [d.reason for d in validate(workflow, max_depth=3)] == [Reason.GRAPH_TOO_DEEP]
    assert validate(workflow, max_steps=4, max_depth=4) == []


def test_a_cycle_is_shown_as_a_path() -> None:
    [defect] = validate(make_workflow([scale_step("a", needs=["b"]), scale_step("b", needs=["a"])]))

    assert "a -> b -> a" in defect.message


def test_a_long_cycle_is_shown_shortened_but_closed() -> None:
    ring = [scale_step("s0", needs=["s49"]), *chain(50)[1:]]

    [defect] = validate(make_workflow(ring))

    assert "s0 -> s1 -> " in defect.message
    assert "(41 more) -> s0" in defect.message


def test_all_defects_are_reported_at_once_references_first() -> None:
    steps = [scale_step("a", needs=["ghost"]), Step(name="b"), Step(name="c", action="dance")]

    assert [defect.reason for defect in validate(make_workflow(steps))] == [
        Reason.INVALID_DEPENDENCY,
        Reason.MISSING_ACTION,
        Reason.UNKNOWN_ACTION,
    ]


STEP_CHANGES: dict[str, dict[str, Any]] = {
    "targetCluster": {"target_cluster": "east"},
}
SPEC_CHANGES: dict[str, dict[str, Any]] = {
    "executionStrategy.safetyChecks": {
        "execution_strategy": ExecutionStrategy(safety_checks=[SafetyCheck(type="rbac")])
    },
}


@pytest.mark.parametrize("deadline", ["5 minutes", "0s", "9" * 31 + "h"])
def test_a_deadline_that_no_clock_can_tell_is_refused(deadline: str) -> None:
    workflow = make_workflow(diamond())
    spec = msgspec.structs.replace(workflow.spec, deadline=deadline)

    [defect] = validate(msgspec.structs.replace(workflow, spec=spec))

    assert (defect.path, defect.reason) == ("spec.deadline", Reason.INVALID_DURATION)


def test_a_deadline_and_retries_can_be_planned() -> None:
    step = with_(scale_step("a"), retry_policy=RetryPolicy(max_retries=5))
    workflow = make_workflow([step], strategy=ExecutionStrategy(max_retries=2))
    spec = msgspec.structs.replace(workflow.spec, deadline="1h")

    assert validate(msgspec.structs.replace(workflow, spec=spec)) == []


@pytest.mark.parametrize(
    ("timeout", "words"),
    [
        ("0s", "an undo needs time to run"),
        ("2 minutes", "is no duration"),
        ("6m", "6m is longer than 5m; set 5m or less"),
    ],
)
def test_an_undo_that_would_be_cut_short_is_refused(timeout: str, words: str) -> None:
    [defect] = validate(make_workflow([undone_within(timeout)]))

    assert (defect.path, defect.reason) == (
        f"{ROOT}.steps[a].rollback.timeout",
        Reason.INVALID_DURATION,
    )
    assert words in defect.message


def test_the_longest_undo_is_a_limit_of_the_service() -> None:
    workflow = make_workflow([undone_within("5m")])

    assert validate(workflow) == []
    [defect] = validate(workflow, longest_undo=timedelta(seconds=90))
    assert defect.message == "5m is longer than 90s; set 90s or less"


def undone_within(timeout: str) -> Step:
    back = scale_step("a")
    undo = StepRollback(action=back.action, parameters=back.parameters, timeout=timeout)
    return with_(back, rollback=undo)


@pytest.mark.parametrize("row", STEP_ROWS, ids=lambda row: row.field)
def test_a_step_field_without_support_is_refused(row: Any) -> None:
    [defect] = validate(make_workflow([with_(scale_step("a"), **STEP_CHANGES[row.field])]))

    assert defect.path == f"{ROOT}.steps[a].{row.field}"
    assert defect.reason is Reason.UNSUPPORTED_FIELD


@pytest.mark.parametrize("row", SPEC_ROWS, ids=lambda row: row.field)
def test_a_spec_field_without_support_is_refused(row: Any) -> None:
    workflow = make_workflow(diamond())
    spec = msgspec.structs.replace(workflow.spec, **SPEC_CHANGES[row.field])

    [defect] = validate(msgspec.structs.replace(workflow, spec=spec))

    assert (defect.path, defect.reason) == (f"spec.{row.field}", Reason.UNSUPPORTED_FIELD)


def test_sequential_mode_and_parallel_steps_conflict() -> None:
    strategy = ExecutionStrategy(mode=ExecutionMode.SEQUENTIAL, max_parallel_steps=2)

    [defect] = validate(make_workflow(diamond(), strategy=strategy))

    assert defect.path == "spec.executionStrategy.maxParallelSteps"
    assert defect.reason is Reason.CONFLICTING_STRATEGY
