"""Approvals: who is asked what, and what becomes of each answer."""

import json

import pytest

from tests.support.admission import answer
from tests.support.control import claimed, in_phase, release, throughout
from tests.support.kubectl import Kubectl, Object, eventually
from tests.support.services import Services
from tests.support.workflows import deployment, notify, wait_available, workflow

BOB = ("--as=bob", "--as-group=system:masters")
pytestmark = pytest.mark.usefixtures("services")


def test_row_35_more_than_ten_steps_need_approval(kubectl: Kubectl) -> None:
    kubectl.apply(workflow("ten", [notify(f"s{n}") for n in range(10)]))
    kubectl.apply(workflow("eleven", [notify(f"s{n}") for n in range(11)]))

    done = kubectl.wait_phase("ten", "Completed")
    waiting = kubectl.wait_phase("eleven", "AwaitingApproval")
    request = one_request(kubectl, "eleven")
    told = eventually(lambda: [n["metadata"]["name"] for n in kubectl.items("notif")], bool)

    assert done["status"]["approval"].get("requestRef") is None
    assert "11 steps" in waiting["status"]["message"]
    assert "10" in waiting["status"]["message"]
    assert request["metadata"]["name"] in waiting["status"]["message"]
    assert request["spec"]["planHash"] == waiting["status"]["executionPlan"]["digest"]
    assert (request["spec"]["totalSteps"], request["spec"]["threshold"]) == (11, 10)
    assert len(request["spec"]["changes"]) == 11
    assert told == ["eleven-approval"]
    assert kubectl.items("kex", selector="kubernaut.ai/workflow=eleven") == []


def test_row_36_approve_reject_expire(kubectl: Kubectl) -> None:
    for name in ("approved", "rejected", "expired"):
        kubectl.apply(asking(name, timeout="5s" if name == "expired" else "10m"))
    for name, decision in (("approved", "Approved"), ("rejected", "Rejected")):
        kubectl.wait_phase(name, "AwaitingApproval")
        decide(kubectl, one_request(kubectl, name), decision, message="because")

    ended = {
        name: kubectl.wait_phase(name, "Completed", "Failed")["status"]
        for name in ("approved", "rejected", "expired")
    }

    assert {name: status["phase"] for name, status in ended.items()} == {
        "approved": "Completed",
        "rejected": "Failed",
        "expired": "Failed",
    }
    assert ended["approved"]["approval"]["decidedBy"] == "bob"
    assert ended["rejected"]["reason"] == "ApprovalRejected"
    assert "bob" in ended["rejected"]["message"]
    assert "because" in ended["rejected"]["message"]
    assert ended["expired"]["reason"] == "ApprovalExpired"
    assert [step["phase"] for step in ended["rejected"]["steps"]] == ["Skipped"]
    for name, skipped in (("approved", 0), ("rejected", 1), ("expired", 1)):
        assert ended[name]["approval"]["decidedAt"]
        assert ended[name]["validationResults"]["approvalReceived"] is (not skipped)
        assert ended[name].get("skippedSteps", 0) == skipped
    assert ended["expired"]["approval"]["decidedBy"] == "mendflow-planner"
    assert one_request(kubectl, "expired")["status"]["method"] == "timeout"
    late = kubectl.run(
        "patch",
        "aiar",
        one_request(kubectl, "expired")["metadata"]["name"],
        *BOB,
        *answer("Approved", "bob"),
    )
    assert late.returncode != 0
    assert "decided" in late.stderr


def test_row_36_who_submitted_may_not_decide(kubectl: Kubectl) -> None:
    kubectl.apply(asking("own"))
    kubectl.wait_phase("own", "AwaitingApproval")
    request = one_request(kubectl, "own")
    submitter = request["spec"]["submittedBy"]

    own = kubectl.run("patch", "aiar", request["metadata"]["name"], *answer("Approved", submitter))

    assert submitter
    assert own.returncode != 0
    assert kubectl.get("wfe", "own")["status"]["phase"] == "AwaitingApproval"


def test_row_37_an_answer_for_another_plan_counts_for_nothing(
    kubectl: Kubectl, services: Services
) -> None:
    kubectl.apply(asking("other"))
    kubectl.wait_phase("other", "AwaitingApproval")
    request = one_request(kubectl, "other")
    name = request["metadata"]["name"]
    forged = {key: request[key] for key in ("apiVersion", "kind")} | {
        "metadata": {"name": name, "ownerReferences": request["metadata"]["ownerReferences"]},
        "spec": request["spec"] | {"planHash": "0" * 64},
    }

    services.processes["planner-0"].kill()
    kubectl.ok("delete", "aiar", name)
    kubectl.ok("create", "-f", "-", stdin=json.dumps(forged))
    decide(kubectl, forged, "Approved")
    services.processes["planner-0"].start()

    obstacle = f"AIApprovalRequest {name} asks something else; delete it"
    waiting = eventually(
        lambda: kubectl.get("wfe", "other")["status"],
        lambda status: obstacle in status["message"],
    )
    assert waiting["phase"] == "AwaitingApproval"
    eventually(lambda: reasons(kubectl), lambda found: "ApprovalMismatch" in found)
    kubectl.ok("delete", "aiar", name)
    again = eventually(lambda: requests(kubectl, "other"), bool)[0]
    assert again["spec"] == request["spec"]
    decide(kubectl, again, "Approved")
    done = kubectl.wait_phase("other", "Completed", "Failed")["status"]
    assert done["phase"] == "Completed"
    assert done["approval"]["decidedBy"] == "bob"


def test_row_37_a_changed_plan_needs_a_new_decision(kubectl: Kubectl) -> None:
    body = asking("changed", wait_available("only", "hold"))
    body["spec"]["adaptiveOrchestration"] = {"dynamicStepAdjustment": True}
    kubectl.apply(body)
    kubectl.wait_phase("changed", "AwaitingApproval")
    first = one_request(kubectl, "changed")

    insert(kubectl, "changed", "before", seen=1)
    second = newest(kubectl, "changed", first)
    decide(kubectl, first, "Approved")
    throughout(lambda: phase(kubectl, "changed"), lambda found: found == "AwaitingApproval")
    decide(kubectl, second, "Approved")
    claimed(kubectl, "changed", "only")
    insert(kubectl, "changed", "during", seen=2)
    third = newest(kubectl, "changed", first, second)
    release(kubectl, "hold")
    in_phase(kubectl, "changed", only="Completed", before="Completed", during="Pending")
    held_back = phase(kubectl, "changed")
    decide(kubectl, third, "Approved")
    done = kubectl.wait_phase("changed", "Completed", "Failed")["status"]

    hashes = [each["spec"]["planHash"] for each in (first, second, third)]
    assert len(set(hashes)) == 3
    assert held_back == "AwaitingApproval"
    assert done["phase"] == "Completed"
    assert done["approval"]["digest"] == done["executionPlan"]["digest"] == hashes[2]
    assert [line.split(":")[0] for line in third["spec"]["changes"]] == [
        "1 only",
        "2 before",
        "3 during",
    ]


def test_a_plan_of_which_nothing_is_left_is_completed_by_its_approval(kubectl: Kubectl) -> None:
    body = asking("shrunk", wait_available("only", "hold"))
    body["spec"]["workflowDefinition"]["steps"].append(notify("rest", "only"))
    body["spec"]["adaptiveOrchestration"] = {"dynamicStepAdjustment": True}
    kubectl.apply(body)
    first = one_request(kubectl, "shrunk")
    decide(kubectl, first, "Approved")
    claimed(kubectl, "shrunk", "only")
    less = {"adaptiveOrchestration": {"adjustments": [{"name": "less", "remove": ["rest"]}]}}
    kubectl.ok("patch", "wfe", "shrunk", "--type=merge", "-p", json.dumps({"spec": less}))
    second = newest(kubectl, "shrunk", first)
    release(kubectl, "hold")
    eventually(lambda: kubectl.get("wfe", "shrunk"), lambda it: "workflowResult" in it["status"])
    held_back = phase(kubectl, "shrunk")

    decide(kubectl, second, "Approved")

    assert held_back == "AwaitingApproval"
    kubectl.wait_phase("shrunk", "Completed")


def test_people_are_told_although_the_name_was_taken(kubectl: Kubectl) -> None:
    kubectl.ok("create", "-f", "-", stdin=json.dumps(message_of_others("told-approval")))
    kubectl.apply(asking("told"))
    kubectl.wait_phase("told", "AwaitingApproval")
    eventually(lambda: requests(kubectl, "told"), bool)

    kubectl.ok("delete", "notif", "told-approval")

    told = eventually(lambda: kubectl.items("notif"), bool)[0]
    assert told["metadata"]["name"] == "told-approval"
    assert told["metadata"]["ownerReferences"][0]["name"] == "told"
    assert told["spec"]["priority"] == "high"


def test_people_can_answer_although_nobody_could_be_told(kubectl: Kubectl) -> None:
    none = "--hard=count/notificationrequests.notification.kubernaut.ai=0"
    kubectl.ok("create", "quota", "no-messages", none)
    probe = ("create", "--dry-run=server", "-f", "-")
    message = json.dumps(message_of_others("probe"))
    eventually(lambda: kubectl.run(*probe, stdin=message), lambda done: done.returncode != 0)
    kubectl.apply(asking("untold"))
    kubectl.wait_phase("untold", "AwaitingApproval")

    decide(kubectl, eventually(lambda: requests(kubectl, "untold"), bool)[0], "Approved")

    kubectl.wait_phase("untold", "Completed")
    assert kubectl.items("notif") == []


def test_a_step_waits_at_its_gate_while_others_go_on(kubectl: Kubectl) -> None:
    gated = notify("gated") | {"requiresApproval": True}
    kubectl.apply(
        workflow("gate", [gated, wait_available("beside", "slow"), notify("after", "gated")])
    )
    request = eventually(lambda: requests(kubectl, "gate"), bool)[0]
    meanwhile = kubectl.get("wfe", "gate")["status"]
    kubectl.apply(deployment("slow"))
    waiting = kubectl.wait_phase("gate", "AwaitingApproval")["status"]
    decide(kubectl, request, "Approved")
    done = kubectl.wait_phase("gate", "Completed", "Failed")["status"]

    assert meanwhile["phase"] == "Executing"
    assert request["spec"]["step"] == "gated"
    assert {s["name"]: s["phase"] for s in waiting["steps"]} == {
        "gated": "Blocked",
        "beside": "Completed",
        "after": "Pending",
    }
    assert done["phase"] == "Completed"
    assert done["approval"]["gates"]["gated"]["decidedBy"] == "bob"


def test_a_gate_that_is_rejected_fails_its_step(kubectl: Kubectl) -> None:
    gated = notify("gated", "first") | {"requiresApproval": True}
    kubectl.apply(workflow("refused", [notify("first"), gated]))
    request = eventually(lambda: requests(kubectl, "refused"), bool)[0]
    decide(kubectl, request, "Rejected", message="not today")

    status = kubectl.wait_phase("refused", "Failed", "Completed")["status"]

    assert status["phase"] == "Failed"
    assert status["failedStep"] == "gated"
    assert "rejected by bob: not today" in status["message"]


def asking(name: str, step: Object | None = None, *, timeout: str = "10m") -> Object:
    """Return a workflow of one step that asks for approval."""
    made = workflow(name, [step or notify("only")])
    made["spec"]["executionStrategy"] = {"approvalRequired": True, "approvalTimeout": timeout}
    return made


def insert(kubectl: Kubectl, name: str, step: str, *, seen: int) -> None:
    """Append an adjustment that puts in one step, and wait until the plan has it."""
    adaptive = kubectl.get("wfe", name)["spec"]["adaptiveOrchestration"]
    more = {"name": f"more-{step}", "insert": [{"step": notify(step)}]}
    grown = {"adjustments": [*adaptive.get("adjustments", []), more]}
    patch = {"spec": {"adaptiveOrchestration": grown}}
    kubectl.ok("patch", "wfe", name, "--type=merge", "-p", json.dumps(patch))
    eventually(
        lambda: kubectl.get("wfe", name), lambda wfe: wfe["status"]["planRevision"] == seen + 1
    )


def newest(kubectl: Kubectl, name: str, *earlier: Object) -> Object:
    """Wait for one more request about a workflow than there were and return it."""
    known = {each["metadata"]["name"] for each in earlier}
    (found,) = eventually(
        lambda: [r for r in requests(kubectl, name) if r["metadata"]["name"] not in known], bool
    )
    return found


def phase(kubectl: Kubectl, name: str) -> str:
    found: str = kubectl.get("wfe", name)["status"]["phase"]
    return found


def message_of_others(name: str) -> Object:
    """Return a NotificationRequest that no workflow has left."""
    return {
        "apiVersion": "notification.kubernaut.ai/v1alpha1",
        "kind": "NotificationRequest",
        "metadata": {"name": name},
        "spec": {
            "type": "simple",
            "priority": "low",
            "recipients": [{"slack": "#others"}],
            "subject": "something else",
            "body": "something else",
            "channels": ["console"],
        },
    }


def requests(kubectl: Kubectl, workflow_name: str) -> list[Object]:
    """Return what people were asked about a workflow."""
    return [
        each
        for each in kubectl.items("aiar")
        if each["spec"]["workflowExecutionRef"]["name"] == workflow_name
    ]


def one_request(kubectl: Kubectl, workflow_name: str) -> Object:
    """Wait until people are asked, which the workflow says before, and return the question."""
    (request,) = eventually(lambda: requests(kubectl, workflow_name), bool)
    return request


def decide(kubectl: Kubectl, request: Object, decision: str, **more: str) -> None:
    """Answer as somebody who did not submit the workflow."""
    name = request["metadata"]["name"]
    kubectl.ok("patch", "aiar", name, *BOB, *answer(decision, "bob", **more))


def reasons(kubectl: Kubectl) -> set[str]:
    return {event["reason"] for event in kubectl.items("events")}
