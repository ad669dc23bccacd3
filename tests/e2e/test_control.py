"""People pause, cancel, undo and retry workflows by a word in the spec, or are told why not."""

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.audit import AuditTrail
from tests.support.control import (
    answered,
    ask,
    claimed,
    condition,
    executions,
    in_phase,
    release,
    step_names,
    steps_of,
    throughout,
    told,
)
from tests.support.kubectl import Kubectl, Object, eventually
from tests.support.namespaces import empty_namespace
from tests.support.services import Services
from tests.support.workflows import deployment, notify, scale, wait_available, workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

NOWHERE = {"tests.example/there": "none"}


@pytest.fixture(scope="module")
def kubectl(cluster: "LocalCluster") -> Kubectl:
    """Kubectl in one namespace for this module: each test has targets of its own."""
    return empty_namespace(cluster, "control")


pytestmark = pytest.mark.usefixtures("module_services")


def held_chain(name: str) -> Object:
    """Return a workflow whose first step waits for a Deployment of the workflow's name."""
    return workflow(name, [wait_available("a", name), notify("b", "a")])


def in_turn(name: str, *, first: str) -> Object:
    """Return a workflow of two steps without needs that run one at a time."""
    body = workflow(name, [wait_available("a", first), notify("b")])
    body["spec"]["executionStrategy"] = {"mode": "sequential"}
    return body


def test_row_96_pause_starts_nothing_until_resumed(kubectl: Kubectl) -> None:
    names = ("resumed", "removed")
    for name in names:
        kubectl.apply(held_chain(name))
        claimed(kubectl, name, "a")
        ask(kubectl, name, "pause")
        kubectl.wait_phase(name, "Paused")
    release(kubectl, *names)
    for name in names:
        in_phase(kubectl, name, a="Completed")

    throughout(
        lambda: [step_names(executions(kubectl, name)) for name in names],
        lambda found: found == [["a"], ["a"]],
    )
    assert [kubectl.get("wfe", name)["status"]["phase"] for name in names] == ["Paused"] * 2

    ask(kubectl, "resumed", "resume")
    ask(kubectl, "removed", None)
    for name in names:
        kubectl.wait_phase(name, "Completed")
        assert step_names(executions(kubectl, name)) == ["a", "b"]


def test_row_96_what_fails_while_paused_is_acted_on_after_resume(kubectl: Kubectl) -> None:
    kubectl.apply(deployment("kept", replicas=2))
    steps = [scale("a", "kept", 1), wait_available("b", "never-there", "a"), notify("c", "b")]
    kubectl.apply(workflow("holding", steps, rollback="Automatic"))
    running = claimed(kubectl, "holding", "b")
    ask(kubectl, "holding", "pause")
    kubectl.wait_phase("holding", "Paused")

    result = {"success": False, "errorType": "permission_denied"}
    failed = {"phase": "Failed", "message": "it may not", "executionResults": result}
    words = ("--subresource=status", "--type=merge", "-p", json.dumps({"status": failed}))
    kubectl.ok("patch", "kex", running["metadata"]["name"], *words)
    in_phase(kubectl, "holding", b="Failed", c="Skipped")
    held = eventually(
        lambda: kubectl.get("wfe", "holding"), lambda wfe: "workflowResult" in wfe["status"]
    )
    throughout(
        lambda: kubectl.get("wfe", "holding")["status"]["phase"], lambda phase: phase == "Paused"
    )

    assert held["status"]["failedStep"] == "b"
    assert held["status"]["message"].startswith("step b failed: it may not")
    assert kubectl.get("deployment", "kept")["spec"]["replicas"] == 1
    ask(kubectl, "holding", "resume")
    kubectl.wait_phase("holding", "RolledBack")
    assert kubectl.get("deployment", "kept")["spec"]["replicas"] == 2


def test_row_96_pause_outlives_the_death_of_all_services(
    kubectl: Kubectl, module_services: Services
) -> None:
    kubectl.apply(held_chain("outlived"))
    claimed(kubectl, "outlived", "a")
    ask(kubectl, "outlived", "pause")
    kubectl.wait_phase("outlived", "Paused")

    for process in module_services.processes.values():
        process.kill()
    release(kubectl, "outlived")
    for process in module_services.processes.values():
        process.start()

    in_phase(kubectl, "outlived", a="Completed")
    throughout(lambda: step_names(executions(kubectl, "outlived")), lambda found: found == ["a"])
    assert kubectl.get("wfe", "outlived")["status"]["phase"] == "Paused"
    ask(kubectl, "outlived", "resume")
    done = kubectl.wait_phase("outlived", "Completed")
    assert [step["attempts"] for step in done["status"]["steps"]] == [1, 1]


def test_row_96_cancel_lets_run_what_runs_and_starts_nothing(kubectl: Kubectl) -> None:
    body = in_turn("cancelled", first="cancelled")
    body["spec"]["workflowDefinition"]["steps"].append(notify("c", "b"))
    kubectl.apply(body)
    claimed(kubectl, "cancelled", "a")

    ask(kubectl, "cancelled", "cancel")
    stopping = in_phase(kubectl, "cancelled", b="Skipped", c="Skipped")
    assert stopping["status"]["phase"] == "Executing"
    release(kubectl, "cancelled")
    kubectl.ok("wait", "wfe/cancelled", "--for=condition=Complete", "--timeout=60s")

    done = kubectl.get("wfe", "cancelled")
    steps = steps_of(done)
    assert done["status"]["phase"] == "Cancelled"
    assert steps["a"]["phase"] == "Completed"
    for name in ("b", "c"):
        assert (steps[name]["reason"], steps[name]["message"]) == (
            "Cancelled",
            "not started: the workflow was ended",
        )
    assert done["status"]["message"] == "1 of 3 steps were completed when it was cancelled"
    assert condition(done, "Succeeded")["status"] == "False"
    assert step_names(executions(kubectl, "cancelled")) == ["a"]


def test_row_96_cancel_before_anything_started(kubectl: Kubectl) -> None:
    kubectl.apply(held_chain("never") | {"spec": held_chain("x")["spec"] | {"control": "cancel"}})
    kubectl.apply(held_chain("first") | {"spec": held_chain("x")["spec"] | {"control": "pause"}})
    kubectl.wait_phase("first", "Paused")

    ask(kubectl, "first", "cancel")

    for name in ("never", "first"):
        done = kubectl.wait_phase(name, "Cancelled", "Completed", "Failed")
        assert done["status"]["phase"] == "Cancelled"
        assert {step["phase"] for step in done["status"].get("steps", [])} <= {"Skipped"}
        assert executions(kubectl, name) == []


def test_row_96_cancel_twice_and_never_back(kubectl: Kubectl) -> None:
    kubectl.apply(in_turn("twice", first="twice"))
    claimed(kubectl, "twice", "a")
    ask(kubectl, "twice", "cancel")
    once = answered(kubectl, "twice", "cancel")

    ask(kubectl, "twice", "cancel")
    ask(kubectl, "twice", "resume")
    back = answered(kubectl, "twice", "resume")
    ask(kubectl, "twice", "cancel")
    again = answered(kubectl, "twice", "cancel")
    release(kubectl, "twice")
    done = kubectl.wait_phase("twice", "Cancelled", "Completed", "Failed")

    assert (once["status"]["control"]["accepted"], once["status"]["control"]["stop"]) == (
        True,
        "cancel",
    )
    assert condition(back, "ControlAccepted")["reason"] == "AlreadyStopping"
    assert again["status"]["control"]["accepted"] is True
    assert done["status"]["phase"] == "Cancelled"
    assert step_names(executions(kubectl, "twice")) == ["a"]


def test_row_96_cancel_ends_what_runs_when_asked(kubectl: Kubectl) -> None:
    body = deployment("stuck", replicas=0)
    body["spec"]["template"]["spec"]["nodeSelector"] = NOWHERE
    kubectl.apply(body)
    cancelling = workflow("ended", [scale("a", "stuck", 1), notify("b", "a")])
    cancelling["spec"]["executionStrategy"] = {"onInFlight": "cancel"}
    kubectl.apply(cancelling)
    eventually(lambda: kubectl.get("deployment", "stuck"), lambda it: it["spec"]["replicas"] == 1)

    ask(kubectl, "ended", "cancel")

    done = kubectl.wait_phase("ended", "Cancelled", "Completed", "Failed")
    steps = steps_of(done)
    assert done["status"]["phase"] == "Cancelled"
    assert (steps["a"]["phase"], steps["a"]["errorType"]) == ("Failed", "cancelled")
    assert (steps["b"]["phase"], steps["b"]["reason"]) == ("Skipped", "Cancelled")
    assert step_names(executions(kubectl, "ended")) == ["a"]


def test_row_96_rollback_on_demand_waits_then_undoes_newest_first(kubectl: Kubectl) -> None:
    kubectl.apply(deployment("grown", replicas=2))
    steps = [
        scale("a", "grown", 1),
        scale("b", "grown", 3, "a"),
        wait_available("c", "undone", "b"),
        notify("d", "c"),
    ]
    kubectl.apply(workflow("undone", steps, rollback="Automatic"))
    claimed(kubectl, "undone", "c")

    ask(kubectl, "undone", "rollback")
    stopping = in_phase(kubectl, "undone", d="Skipped")
    assert (stopping["status"]["phase"], steps_of(stopping)["c"]["phase"]) == (
        "Executing",
        "Running",
    )
    release(kubectl, "undone")

    done = kubectl.wait_phase("undone", "RolledBack", "RollbackFailed", "Failed", "Completed")
    undos = [each for each in executions(kubectl, "undone") if each["spec"].get("rollbackOf")]
    assert done["status"]["phase"] == "RolledBack"
    assert step_names(undos) == ["b", "a"]
    assert undos[0]["status"]["completionTime"] <= undos[1]["status"]["startTime"]
    assert kubectl.get("deployment", "grown")["spec"]["replicas"] == 2


def test_row_96_retry_goes_on_from_what_failed(cluster: "LocalCluster", kubectl: Kubectl) -> None:
    trail = AuditTrail(cluster.audit_log, kubectl.namespace)
    steps = [notify("a"), wait_available("b", "repaired", "a") | {"timeout": "2s"}]
    kubectl.apply(workflow("retried", [*steps, notify("c", "b")], rollback="Manual"))
    failed = phases_of(kubectl.wait_phase("retried", "Degraded"))

    ask(kubectl, "retried", "retry")
    again = eventually(
        lambda: kubectl.get("wfe", "retried"),
        lambda wfe: (steps_of(wfe)["b"]["attempts"], wfe["status"]["phase"]) == (2, "Degraded"),
    )
    assert steps_of(again)["c"]["phase"] == "Skipped"
    # That is over soon, but it stays in the log.
    written = trail.changes("workflowexecutions")
    went = [phases_of(each.object) for each in written if each.name == "retried"]
    assert {"a": "Completed", "b": "Running", "c": "Pending"} in went[went.index(failed) :]

    release(kubectl, "repaired")
    ask(kubectl, "retried", None)
    answered(kubectl, "retried", None)
    ask(kubectl, "retried", "retry")
    done = kubectl.wait_phase("retried", "Completed")

    attempts = {name: step["attempts"] for name, step in steps_of(done).items()}
    assert attempts == {"a": 1, "b": 3, "c": 1}
    assert done["status"]["progress"] == 100
    assert [done["status"].get(field) or "" for field in ("failedStep", "errorType")] == ["", ""]
    assert condition(done, "Degraded")["status"] == "False"
    assert step_names(executions(kubectl, "retried")) == ["a", "b", "b", "b", "c"]


@pytest.mark.parametrize(
    ("verb", "reason"),
    [
        ("pause", "AlreadyEnded"),
        ("cancel", "AlreadyEnded"),
        ("rollback", "AlreadyEnded"),
        ("retry", "NotDegraded"),
    ],
)
def test_row_96_what_cannot_be_done_is_refused_with_the_reason(
    kubectl: Kubectl, verb: str, reason: str
) -> None:
    name = f"over-{verb}"
    kubectl.apply(workflow(name, [notify("a")]))
    kubectl.wait_phase(name, "Completed")
    before = settled(kubectl, name)

    ask(kubectl, name, verb)

    after = answered(kubectl, name, verb)
    refused = condition(after, "ControlAccepted")
    assert (refused["status"], refused["reason"]) == ("False", reason)
    assert refused["message"]
    assert essence(after) == essence(before)
    assert told(kubectl, name, "ControlRefused")["type"] == "Warning"


def test_row_96_a_rollback_that_began_is_not_cancelled(kubectl: Kubectl) -> None:
    kubectl.apply(deployment("shrunk", replicas=2))
    steps = [scale("a", "shrunk", 1), wait_available("b", "go-back", "a")]
    kubectl.apply(workflow("going-back", steps, rollback="Automatic"))
    claimed(kubectl, "going-back", "b")
    pin(kubectl, "shrunk", "none")
    ask(kubectl, "going-back", "rollback")
    answered(kubectl, "going-back", "rollback")
    release(kubectl, "go-back")
    kubectl.wait_phase("going-back", "RollingBack")

    ask(kubectl, "going-back", "cancel")

    refused = answered(kubectl, "going-back", "cancel")
    assert condition(refused, "ControlAccepted")["reason"] == "RollbackRunning"
    assert refused["status"]["phase"] == "RollingBack"
    pin(kubectl, "shrunk", None)
    kubectl.wait_phase("going-back", "RolledBack")
    assert kubectl.get("deployment", "shrunk")["spec"]["replicas"] == 2


def test_row_96_what_was_asked_while_all_were_away_is_answered(
    kubectl: Kubectl, module_services: Services
) -> None:
    kubectl.apply(workflow("absent", [notify("a")]))
    kubectl.wait_phase("absent", "Completed")
    before = settled(kubectl, "absent")
    for process in module_services.processes.values():
        process.kill()

    ask(kubectl, "absent", "cancel")
    for process in module_services.processes.values():
        process.start()

    after = answered(kubectl, "absent", "cancel")
    assert condition(after, "ControlAccepted")["status"] == "False"
    assert essence(after) == essence(before)


def phases_of(wfe: Object) -> dict[str, str]:
    """Return the phases of all steps."""
    return {name: step["phase"] for name, step in steps_of(wfe).items()}


def pin(kubectl: Kubectl, target: str, node: str | None) -> None:
    """Let a Deployment's pods run nowhere, or anywhere again."""
    selector = {"tests.example/there": node}
    patch = {"spec": {"template": {"spec": {"nodeSelector": selector}}}}
    kubectl.ok("patch", "deployment", target, "--type=merge", "-p", json.dumps(patch))


def settled(kubectl: Kubectl, name: str) -> Object:
    """Return an ended workflow once all figures of its end are written."""
    return eventually(
        lambda: kubectl.get("wfe", name),
        lambda wfe: "workflowResult" in wfe["status"],
    )


def essence(wfe: Object) -> Object:
    """Return a status without what tells that somebody asked."""
    asked = {"control", "conditions", "observedGeneration"}
    return {key: value for key, value in wfe["status"].items() if key not in asked}
