"""Plans that change at run time, and what expressions see of a RemediationRequest."""

import json
from typing import Any

import pytest

from tests.support.admission import answer
from tests.support.control import executions, in_phase, release, step_names, steps_of
from tests.support.kubectl import Kubectl, Object, eventually
from tests.support.remediation import install_kind, remediation_request
from tests.support.workflows import notify, scale, wait_available, workflow

BOB = ("--as=bob", "--as-group=system:masters")
pytestmark = pytest.mark.usefixtures("services")


def test_row_93_inject_and_remove_steps(kubectl: Kubectl) -> None:
    kubectl.apply(adaptive("grow", [*held(), notify("c", "a"), notify("d", "b")]))
    before = in_phase(kubectl, "grow", a="Running")
    adjust(
        kubectl,
        "grow",
        {
            "name": "warm",
            "insert": [{"step": notify("warm-cache", "a"), "before": ["b"]}],
            "remove": ["c"],
            "reason": "the cache is cold",
        },
    )

    changed = decided(kubectl, "grow", "warm")
    release(kubectl, "hold")
    done = kubectl.wait_phase("grow", "Completed", "Failed")

    status = done["status"]
    assert changed["status"]["planRevision"] == 2
    assert changed["status"]["executionPlan"]["digest"] != digest(before)
    (entry,) = status["adaptiveAdjustments"]
    assert entry["adjustment"] == "+ warm-cache (notify_only) before b; - c"
    assert entry["reason"] == "the cache is cold"
    assert step_names(executions(kubectl, "grow")) == ["a", "warm-cache", "b", "d"]
    assert (status["totalSteps"], status["completedSteps"], status["progress"]) == (4, 4, 100)
    assert sorted(steps_of(done)) == ["a", "b", "d", "warm-cache"]
    assert any("warm" in event["message"] for event in events(kubectl, "PlanRevised"))


def test_row_94_a_cycle_is_refused_and_the_plan_stays(kubectl: Kubectl) -> None:
    kubectl.apply(adaptive("loop", held()))
    before = in_phase(kubectl, "loop", a="Running")
    looping = {"step": notify("x", "b"), "before": ["b"]}
    adjust(kubectl, "loop", {"name": "round", "insert": [looping]})

    after = decided(kubectl, "loop", "round")
    release(kubectl, "hold")
    done = kubectl.wait_phase("loop", "Completed", "Failed")

    (entry,) = after["status"]["adaptiveAdjustments"]
    assert not entry["accepted"]
    assert "wait for each other" in entry["reason"]
    assert after["status"]["planRevision"] == 1
    assert digest(after) == digest(before)
    assert events(kubectl, "AdjustmentRefused")
    assert step_names(executions(kubectl, "loop")) == ["a", "b"]
    assert done["status"]["phase"] == "Completed"


def test_a_condition_on_a_result_is_in_time_for_the_next_step(kubectl: Kubectl) -> None:
    steps = [scale("a", "web", 4), notify("b", "a")]
    found = "steps.a.result.previousReplicas"
    kubectl.apply(
        adaptive(
            "conditional",
            steps,
            {
                "name": "was-small",
                "when": f"{found} < 4",
                "insert": [{"step": notify("x", "a"), "before": ["b"]}],
            },
            {"name": "was-large", "when": f"{found} > 99", "remove": ["b"]},
            {
                "name": "at-the-end",
                "when": 'steps.b.phase == "Completed"',
                "insert": [{"step": notify("y", "b")}],
            },
        )
    )

    status = kubectl.wait_phase("conditional", "Completed", "Failed")["status"]

    assert step_names(executions(kubectl, "conditional")) == ["a", "x", "b", "y"]
    assert [entry["name"] for entry in status["adaptiveAdjustments"]] == ["was-small", "at-the-end"]
    assert status["planRevision"] == 3
    assert (status["completedSteps"], status["progress"]) == (4, 100)


def test_what_stands_in_the_spec_at_creation_is_part_of_the_first_plan(kubectl: Kubectl) -> None:
    at_once = {"name": "at-once", "insert": [{"step": notify("x"), "before": ["a"]}]}
    kubectl.apply(adaptive("fresh", [notify("a")], at_once))

    kubectl.wait_phase("fresh", "Completed", "Failed")

    assert step_names(executions(kubectl, "fresh")) == ["x", "a"]


def test_growth_past_the_threshold_reopens_approval(kubectl: Kubectl) -> None:
    kubectl.apply(adaptive("eleven", [*held(), *(notify(f"s{n}", "a") for n in range(8))]))
    in_phase(kubectl, "eleven", a="Running")
    adjust(kubectl, "eleven", {"name": "one-more", "insert": [{"step": notify("x")}]})

    waiting = kubectl.wait_phase("eleven", "AwaitingApproval")
    release(kubectl, "hold")
    held_back = in_phase(kubectl, "eleven", a="Completed", x="Pending", b="Pending")
    asked = eventually(lambda: kubectl.items("aiar"), bool)[0]
    kubectl.ok("patch", "aiar", asked["metadata"]["name"], *BOB, *answer("Approved", "bob"))
    done = kubectl.wait_phase("eleven", "Completed", "Failed")

    assert asked["spec"]["planHash"] == digest(waiting)
    assert held_back["status"]["phase"] == "AwaitingApproval"
    assert (done["status"]["phase"], done["status"]["completedSteps"]) == ("Completed", 11)


def test_what_comes_after_the_end_is_refused_with_an_entry(kubectl: Kubectl) -> None:
    kubectl.apply(adaptive("ended", [notify("a")]))
    kubectl.wait_phase("ended", "Completed")
    adjust(kubectl, "ended", {"name": "late", "insert": [{"step": notify("x")}]})

    after = decided(kubectl, "ended", "late")["status"]

    (entry,) = after["adaptiveAdjustments"]
    assert entry["reason"] == "arrived after the workflow had ended (Completed)"
    assert (after["phase"], after["planRevision"]) == ("Completed", 1)
    assert step_names(executions(kubectl, "ended")) == ["a"]


def test_a_remediation_request_decides_and_fills_in(kubectl: Kubectl) -> None:
    install_kind(kubectl)
    provider = json.dumps({"resource": {"kind": "Deployment", "name": "web"}})
    kubectl.apply(remediation_request("rr-1", severity="critical", providerData=provider))
    steps = [
        scale("grow", "${rr.providerData.resource.name}", 4),
        notify("page") | {"runIf": 'remediation.severity == "critical"'},
        notify("note") | {"runIf": 'remediation.severity == "info"'},
    ]
    for name, request in (("known", "rr-1"), ("unknown", "rr-2")):
        body = workflow(name, steps)
        body["spec"]["remediationRequestRef"] = {"name": request}
        kubectl.apply(body)

    done = kubectl.wait_phase("known", "Completed", "Failed")
    refused = kubectl.wait_phase("unknown", "Failed", "Completed")["status"]

    assert {name: step["phase"] for name, step in steps_of(done).items()} == {
        "grow": "Completed",
        "page": "Completed",
        "note": "Skipped",
    }
    assert kubectl.get("deployment", "web")["spec"]["replicas"] == 4
    assert done["status"]["executionPlan"]["remediation"]["severity"] == "critical"
    assert refused["reason"] == "InvalidRemediationRequest"
    assert "there is no RemediationRequest rr-2" in refused["message"]


def held() -> list[Object]:
    """Return a step that runs until the test makes `hold`, and one after it."""
    return [wait_available("a", "hold"), notify("b", "a")]


def adaptive(name: str, steps: list[Object], *adjustments: Object) -> Object:
    """Return a workflow whose plan may change at run time."""
    body = workflow(name, steps)
    body["spec"]["adaptiveOrchestration"] = {
        "dynamicStepAdjustment": True,
        "adjustments": list(adjustments),
    }
    return body


def adjust(kubectl: Kubectl, name: str, *adjustments: Object) -> None:
    """Append adjustments to the spec of a workflow that has none yet."""
    patch = {"spec": {"adaptiveOrchestration": {"adjustments": adjustments}}}
    kubectl.ok("patch", "wfe", name, "--type=merge", "-p", json.dumps(patch))


def decided(kubectl: Kubectl, name: str, adjustment: str) -> Object:
    """Wait until an adjustment has its verdict and return the workflow."""

    def answered(wfe: Object) -> bool:
        entries: list[dict[str, Any]] = wfe["status"].get("adaptiveAdjustments", [])
        return adjustment in [entry["name"] for entry in entries]

    return eventually(lambda: kubectl.get("wfe", name), answered)


def digest(wfe: Object) -> str:
    found: str = wfe["status"]["executionPlan"]["digest"]
    return found


def events(kubectl: Kubectl, reason: str) -> list[Object]:
    """Wait for Events of a reason and return them."""
    return eventually(
        lambda: [each for each in kubectl.items("events") if each["reason"] == reason], bool
    )
