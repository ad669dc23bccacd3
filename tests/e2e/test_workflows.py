"""Workflows applied with kubectl change a real cluster, and are undone when they fail."""

import json

import pytest

from tests.support.control import executions, step_names, steps_of
from tests.support.kubectl import Kubectl, eventually
from tests.support.workflows import (
    deployment,
    diamond,
    failing,
    image,
    notify,
    scale,
    wait_available,
    workflow,
)

pytestmark = pytest.mark.usefixtures("module_services")


def test_row_38_a_diamond_completes_in_order(kubectl: Kubectl) -> None:
    kubectl.apply(workflow("good", diamond()))

    done = kubectl.wait_phase("good", "Completed", "Failed")

    steps = steps_of(done)
    first, *between, last = step_names(executions(kubectl, "good"))
    assert (first, set(between), last) == ("a", {"b", "c"}, "d")
    assert done["status"]["phase"] == "Completed"
    assert done["status"]["progress"] == 100
    for parent in ("b", "c"):
        assert steps[parent]["completionTime"] <= steps["d"]["startTime"]
        assert steps["a"]["completionTime"] <= steps[parent]["startTime"]
    web, api = kubectl.get("deployment", "web"), kubectl.get("deployment", "api")
    assert web["spec"]["replicas"] == 4
    assert web["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example/web:2"
    assert api["spec"]["replicas"] == 3
    assert done["status"].get("tokens", {}) == {}


def test_row_19_executions_are_owned_labelled_and_named_by_attempt(kubectl: Kubectl) -> None:
    kubectl.apply(workflow("named", diamond()))
    done = kubectl.wait_phase("named", "Completed", "Failed")

    uid = done["metadata"]["uid"]
    executions = kubectl.items("kex", selector=f"kubernaut.ai/workflow-uid={uid}")

    assert len(executions) == 4
    for execution in executions:
        (owner,) = execution["metadata"]["ownerReferences"]
        labels = execution["metadata"]["labels"]
        assert owner["uid"] == uid
        assert owner["controller"] is True
        assert labels["kubernaut.ai/workflow"] == "named"
        assert labels["kubernaut.ai/step"] == execution["spec"]["stepName"]
        assert execution["metadata"]["name"].startswith(
            f"named-{execution['spec']['stepNumber']}-{execution['spec']['stepName']}-"
        )


def test_row_61_a_failed_step_is_rolled_back_newest_first(kubectl: Kubectl) -> None:
    kubectl.apply(workflow("undo", failing(), rollback="Automatic"))

    done = kubectl.wait_phase("undo", "RolledBack", "Failed", "RollbackFailed", "Completed")

    undos = kubectl.items("kex", selector="rollback=true")
    undos.sort(key=lambda e: e["spec"]["fence"])
    assert done["status"]["phase"] == "RolledBack"
    assert [undo["spec"]["stepName"] for undo in undos] == ["b", "a"]
    assert undos[0]["status"]["completionTime"] <= undos[1]["status"]["startTime"]
    web = kubectl.get("deployment", "web")
    assert web["spec"]["replicas"] == 2
    assert web["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example/web:1"
    assert done["status"]["failedStep"] == "c"
    assert done["status"]["errorType"] == "validation_error"
    assert "missing" in done["status"]["message"]


@pytest.mark.parametrize(("strategy", "phase"), [("Manual", "Degraded"), ("None", "Failed")])
def test_row_65_without_a_rollback_nothing_is_undone(
    kubectl: Kubectl, strategy: str, phase: str
) -> None:
    kubectl.apply(workflow("stay", failing(), rollback=strategy))

    kubectl.wait_phase("stay", phase)
    kubectl.apply(workflow("meanwhile", [notify("a"), notify("b", "a"), notify("c", "b")]))
    kubectl.wait_phase("meanwhile", "Completed")

    assert kubectl.items("kex", selector="rollback=true") == []
    assert len(kubectl.items("kex", selector="kubernaut.ai/workflow=stay")) == 3
    assert kubectl.get("deployment", "web")["spec"]["replicas"] == 5


def test_row_64_a_person_can_start_a_manual_rollback_later(kubectl: Kubectl) -> None:
    kubectl.apply(workflow("later", failing(), rollback="Manual"))
    kubectl.wait_phase("later", "Degraded")

    kubectl.ok("patch", "wfe", "later", "--type=merge", "-p", '{"spec":{"control":"rollback"}}')

    kubectl.wait_phase("later", "RolledBack")
    assert kubectl.get("deployment", "web")["spec"]["replicas"] == 2


def test_wait_for_complete_returns_in_every_terminal_phase(kubectl: Kubectl) -> None:
    for target in ("kept", "gone"):
        kubectl.apply(deployment(target))
    fails = image("c", "web", "registry.example/web:4", "a", container="missing")
    waits = wait_available("c", "absent", "a") | {"timeout": "8s"}
    for name, steps, rollback in (
        ("completed", [notify("a")], "None"),
        ("failed", [notify("a"), fails], "None"),
        ("refused", [notify("a", "b"), notify("b", "a")], "None"),
        ("rolled-back", [scale("a", "api", 3), fails], "Automatic"),
        ("degraded", [scale("a", "kept", 3), fails], "Manual"),
        ("rollback-failed", [scale("a", "gone", 3), waits], "Automatic"),
    ):
        kubectl.apply(workflow(name, steps, rollback=rollback))
    eventually(
        lambda: kubectl.get("wfe", "rollback-failed"),
        lambda found: found.get("status", {}).get("completedSteps") == 1,
    )
    kubectl.ok("delete", "deployment", "gone")

    for name, phase in (
        ("completed", "Completed"),
        ("failed", "Failed"),
        ("refused", "Failed"),
        ("rolled-back", "RolledBack"),
        ("degraded", "Degraded"),
        ("rollback-failed", "RollbackFailed"),
    ):
        kubectl.ok("wait", f"wfe/{name}", "--for=condition=Complete", "--timeout=60s")
        assert kubectl.get("wfe", name)["status"]["phase"] == phase, name


def test_row_14_a_cycle_ends_failed_with_its_path(kubectl: Kubectl) -> None:
    steps = [notify("a", "c"), notify("b", "a"), notify("c", "b")]
    kubectl.apply(workflow("cycle", steps))

    done = kubectl.wait_phase("cycle", "Failed")

    assert done["status"]["reason"] == "CircularDependency"
    assert "a -> b -> c -> a" in done["status"]["message"]
    assert kubectl.items("kex") == []
    eventually(
        lambda: {"items": kubectl.items("events")},
        lambda found: any(e["reason"] == "CircularDependency" for e in found["items"]),
    )


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], "should have at least 1 items"),
        ([notify("a"), notify("a")], "step names must be unique"),
        ([notify("a", "ghost")], "dependsOn may only name steps"),
        ([notify("a", "a")], "cannot depend on itself"),
        ([scale("a", "web", 5000)], "replicas"),
        ([{"name": "a", "parameters": {}}], "action is required"),
        ([notify("Not A Name")], "name"),
    ],
    ids=["empty", "duplicate", "dangling", "itself", "too many", "no action", "bad name"],
)
def test_a_bad_definition_is_refused_at_the_door(
    kubectl: Kubectl, steps: list[dict[str, object]], expected: str
) -> None:
    done = kubectl.run("apply", "-f", "-", stdin=json.dumps(workflow("bad", steps)))

    assert done.returncode != 0
    assert expected in done.stderr
