"""Steps in flight of a workflow that fails, when they are not to be waited for."""

import pytest

from tests.support.kubectl import Kubectl, Object, eventually
from tests.support.workflows import deployment, image, scale, workflow

pytestmark = pytest.mark.usefixtures("services")


def test_a_critical_failure_ends_what_is_in_flight_when_asked(kubectl: Kubectl) -> None:
    body = deployment("held", replicas=0)
    body["spec"]["template"]["spec"]["nodeSelector"] = {"tests.example/there": "none"}
    kubectl.apply(body)
    steps = [
        scale("slow", "held", 1),
        scale("first", "web", 3),
        image("broken", "web", "registry.example/web:4", "first", container="missing"),
    ]
    cancelling = workflow("cancelling", steps)
    cancelling["spec"]["executionStrategy"] = {"onInFlight": "cancel"}
    kubectl.apply(cancelling)

    done = kubectl.wait_phase("cancelling", "Failed", "Degraded", "Completed", seconds=40)

    step = next(each for each in done["status"]["steps"] if each["name"] == "slow")
    assert (step["phase"], step["errorType"]) == ("Failed", "cancelled")
    ended = _execution(kubectl, "slow")["status"]
    assert ended["executionResults"]["reason"] == "Cancelled"
    assert ended["message"] == "cancelled while waiting; the change was made"
    assert kubectl.get("deployment", "held")["spec"]["replicas"] == 1


def test_what_is_in_flight_is_waited_for_when_nobody_asked(kubectl: Kubectl) -> None:
    kubectl.apply(deployment("held", replicas=0))
    steps = [
        scale("slow", "held", 1),
        image("broken", "web", "registry.example/web:4", container="missing"),
    ]
    kubectl.apply(workflow("patient", steps))

    done = kubectl.wait_phase("patient", "Failed", "Degraded", "Completed")

    phases = {each["name"]: each["phase"] for each in done["status"]["steps"]}
    assert phases == {"slow": "Completed", "broken": "Failed"}


def test_a_convergent_step_leaves_its_target_alone_when_the_goal_is_reached(
    kubectl: Kubectl,
) -> None:
    before = kubectl.get("deployment", "web")
    kubectl.apply(workflow("settled", [scale("a", "web", 2) | {"convergent": True}]))

    kubectl.wait_phase("settled", "Completed", "Failed")

    ended = _execution(kubectl, "a")["status"]
    assert (ended["phase"], ended["executionResults"]["reason"]) == (
        "Completed",
        "AlreadySatisfied",
    )
    assert ended["rollbackInformation"]["available"] is False
    after = kubectl.get("deployment", "web")
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert "kubernaut.ai/last-operations" not in after["metadata"]["annotations"]


def _execution(kubectl: Kubectl, step: str) -> Object:
    return eventually(
        lambda: kubectl.items("kex", selector=f"kubernaut.ai/step={step}")[0],
        lambda found: found["status"]["phase"] in {"Completed", "Failed", "Cancelled"},
    )
