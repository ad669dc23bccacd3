"""Steps that run or not by what was found, take values from others, or stand in for them."""

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.control import (
    claimed,
    executions,
    in_phase,
    release,
    step_names,
    steps_of,
)
from tests.support.kubectl import Kubectl, Object
from tests.support.namespaces import fresh_namespace
from tests.support.workflows import image, notify, scale, wait_available, workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

VARIABLES = {"replicas": 2, "image": "registry.example/web:1", "grow": True}

pytestmark = pytest.mark.usefixtures("module_services")


@pytest.fixture(scope="module")
def space(cluster: "LocalCluster") -> Kubectl:
    """Kubectl in the namespace of this module, with the Deployments web and api in it."""
    return fresh_namespace(cluster, "conditional")


@pytest.fixture(scope="module")
def chosen(space: Kubectl, module_services: object) -> Object:
    """Return a workflow that has ended, whose steps depend on values."""
    del module_services
    steps = [
        scale_to("grow", "web", "${vars.replicas + 1}"),
        notify("sum", "grow") | {"runIf": "vars.replicas * 2 + 1 == 5 && vars.grow"},
        notify("small", "grow") | {"runIf": "steps.grow.result.newReplicas > 5"},
        notify("known", "grow") | {"skipIf": r"vars.image.matches('^registry\\.example/.+:1$')"},
        notify("after", "small", "known"),
        scale_to("shrink", "web", "${steps.grow.result.previousReplicas}", "after"),
    ]
    space.apply(with_variables("chosen", steps))
    return space.wait_phase("chosen", "Completed", "Failed")


def with_variables(name: str, steps: list[Object]) -> Object:
    body = workflow(name, steps)
    body["spec"]["workflowDefinition"]["variables"] = VARIABLES
    return body


def scale_to(name: str, target: str, replicas: str, *needs: str) -> Object:
    """Return a step that scales a Deployment to the value of an expression."""
    step = scale(name, target, 0, *needs)
    step["parameters"]["scaleDeployment"]["replicas"] = replicas
    return step


def secondary(step: Object, primary: str, mode: str) -> Object:
    return step | {"secondary": {"primary": primary, "mode": mode}}


@pytest.mark.parametrize(
    ("step", "phase", "message"),
    [
        ("sum", "Completed", None),
        ("small", "Skipped", "runIf is false: steps.grow.result.newReplicas > 5"),
        ("known", "Skipped", "skipIf is true: vars.image.matches("),
    ],
    ids=["arithmetic", "comparison", "regex"],
)
def test_row_92_a_step_runs_if_its_condition_holds(
    chosen: Object, step: str, phase: str, message: str | None
) -> None:
    found = steps_of(chosen)[step]

    assert found["phase"] == phase
    assert found.get("reason") == ("ConditionFalse" if message else None)
    assert message is None or found["message"].startswith(message)


def test_row_92_a_step_that_was_not_needed_releases_its_dependents(
    chosen: Object, space: Kubectl
) -> None:
    assert chosen["status"]["phase"] == "Completed"
    assert steps_of(chosen)["after"]["phase"] == "Completed"
    assert chosen["status"]["skippedSteps"] == 2
    assert sorted(step_names(executions(space, "chosen"))) == ["after", "grow", "shrink", "sum"]


def test_row_95_values_of_ancestors_and_variables_are_used(chosen: Object, space: Kubectl) -> None:
    grown = {each["spec"]["stepName"]: each["spec"] for each in executions(space, "chosen")}

    assert grown["grow"]["parameters"]["scaleDeployment"]["replicas"] == 3
    assert grown["shrink"]["parameters"]["scaleDeployment"]["replicas"] == 2
    assert steps_of(chosen)["shrink"]["result"]["scaleResult"] == {
        "previousReplicas": 3,
        "newReplicas": 2,
    }
    assert space.get("deployment", "web")["spec"]["replicas"] == 2


def test_row_95_a_value_of_a_wrong_type_fails_its_step(space: Kubectl) -> None:
    steps = [
        image("a", "api", "registry.example/web:2"),
        scale_to("b", "api", "${steps.a.result.newValue}", "a"),
        notify("c", "b"),
    ]
    space.apply(workflow("wrong-type", steps))

    done = space.wait_phase("wrong-type", "Failed", "Completed")

    found = steps_of(done)
    assert done["status"]["phase"] == "Failed"
    assert (found["b"]["phase"], found["b"]["reason"]) == ("Failed", "InvalidExpression")
    assert "replicas" in found["b"]["message"]
    assert (done["status"]["failedStep"], done["status"]["errorType"]) == ("b", "validation_error")
    assert found["c"]["phase"] == "Skipped"
    assert step_names(executions(space, "wrong-type")) == ["a"]


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("${vars.replica}", "there is no variable 'replica'; did you mean 'replicas'?"),
        ("${steps.later.result.newReplicas}", "step 'later' does not run before this one"),
    ],
    ids=["unknown variable", "no ancestor"],
)
def test_row_95_what_cannot_be_known_is_refused_at_planning(
    space: Kubectl, expression: str, told: str
) -> None:
    name = f"unknown-{expression[2]}"
    steps = [scale_to("a", "web", expression), notify("later", "a")]
    space.apply(with_variables(name, steps))

    done = space.wait_phase(name, "Failed", "Completed")

    assert done["status"]["phase"] == "Failed"
    assert done["status"]["reason"] == "InvalidExpression"
    assert told in done["status"]["message"]
    assert executions(space, name) == []


def test_a_fallback_runs_only_after_its_primary_failed(space: Kubectl) -> None:
    wrong: dict[str, Any] = image("primary", "api", "registry.example/x:1", container="missing")
    steps = [
        wrong,
        secondary(notify("fallback"), "primary", "if_primary_fails"),
        notify("after", "primary"),
        notify("good"),
        secondary(notify("unneeded"), "good", "if_primary_fails"),
        secondary(notify("then"), "good", "after_primary"),
    ]
    space.apply(workflow("fallbacks", steps))

    done = space.wait_phase("fallbacks", "Completed", "Failed")

    found = steps_of(done)
    assert done["status"]["phase"] == "Completed"
    assert {name: step["phase"] for name, step in found.items()} == {
        "primary": "Failed",
        "fallback": "Completed",
        "after": "Completed",
        "good": "Completed",
        "unneeded": "Skipped",
        "then": "Completed",
    }
    assert found["unneeded"]["reason"] == "PrimaryCompleted"
    for before, after in (("primary", "fallback"), ("fallback", "after"), ("good", "then")):
        assert found[before]["completionTime"] <= found[after]["startTime"]


def test_a_step_beside_its_primary_starts_with_it(space: Kubectl) -> None:
    steps = [
        wait_available("first", "first"),
        wait_available("primary", "beside", "first"),
        secondary(wait_available("beside", "beside"), "primary", "parallel_with_primary"),
    ]
    space.apply(workflow("beside", steps))
    claimed(space, "beside", "first")
    assert step_names(executions(space, "beside")) == ["first"]

    release(space, "first")
    for step in ("primary", "beside"):
        claimed(space, "beside", step)

    in_phase(space, "beside", primary="Running", beside="Running")
    release(space, "beside")
    space.wait_phase("beside", "Completed")
