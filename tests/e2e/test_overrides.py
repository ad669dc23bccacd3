"""An operator overrides a condition of a workflow that waits for it, and that is on record."""

from typing import TYPE_CHECKING, Final

import pytest

from tests.support.admission import OVERRIDE
from tests.support.kubectl import Kubectl, Object, eventually
from tests.support.people import bound, person, stranger
from tests.support.workflows import notify, scale, workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

BY_OLGA: Final = "olga (annotation kubernaut.io/override-condition)"
NEVER: Final = "package {stage}.mine\nimport rego.v1\ndefault allow := false\n"


@pytest.mark.usefixtures("services")
def test_an_operator_lets_a_held_up_step_go_on_and_is_on_record(
    cluster: "LocalCluster", kubectl: Kubectl
) -> None:
    alice = person(cluster, kubectl, "alice")
    bound(kubectl, "olga", "mendflow-overrider")
    olga = stranger(cluster, "olga", kubectl.namespace)
    alice.apply(workflow("held", [_guarded()]))
    eventually(lambda: _step(alice), lambda step: step.get("phase") == "Blocked")

    olga.ok("annotate", "wfe", "held", f"{OVERRIDE}=before,after")
    alice.wait_phase("held", "Completed")

    done, step = alice.get("wfe", "held"), _step(alice)
    planned_with = done["status"]["executionPlan"]["policyRevision"]
    for results in (step["preConditionResults"], step["postConditionResults"]):
        (said,) = results
        assert said["required"] is said["passed"] is False
        assert said["policyRevision"] == planned_with != ""
        assert said["overriddenBy"] == BY_OLGA
        assert said["errorMessage"].startswith(f"not required by {BY_OLGA}: ")
    (condition,) = [
        each for each in done["status"]["conditions"] if each["type"] == "ConditionsOverridden"
    ]
    assert condition["status"] == "True"
    assert condition["message"] == "olga: before, after need not hold"
    told = eventually(lambda: _events(kubectl), lambda found: len(found) == 2)
    assert told == {
        f"step a: precondition before need not hold, by {BY_OLGA}",
        f"step a: postcondition after need not hold, by {BY_OLGA}",
    }


@pytest.mark.usefixtures("services")
def test_nobody_overrides_a_safety_policy(kubectl: Kubectl) -> None:
    kubectl.ok("label", "deployment", "web", "critical=true")
    body = workflow("unsafe", [scale("a", "web", 0)])
    everything = "safety,scaling,safety.scaling,safety_scaling,safety_scaling.rego,*"
    body["metadata"]["annotations"] = {OVERRIDE: everything}
    kubectl.apply(body)

    kubectl.wait_phase("unsafe", "Failed")

    (told,) = kubectl.get("wfe", "unsafe")["status"]["steps"]
    assert told["reason"] == "PolicyViolation"
    assert told["safety"]["allowed"] is False
    assert "something critical is never scaled to zero" in told["message"]
    assert kubectl.items("kex") == []


def _guarded() -> Object:
    step = notify("a")
    for field, stage, name, timeout in (
        ("preConditions", "precondition", "before", "1h"),
        ("postConditions", "postcondition", "after", "1s"),
    ):
        rego = NEVER.format(stage=stage)
        step[field] = [{"type": name, "description": "never", "rego": rego, "timeout": timeout}]
    return step


def _step(kubectl: Kubectl) -> Object:
    steps: list[Object] = kubectl.get("wfe", "held").get("status", {}).get("steps", [{}])
    return steps[0]


def _events(kubectl: Kubectl) -> set[str]:
    found = kubectl.items("events")
    return {each["message"] for each in found if each["reason"] == "ConditionOverridden"}
