"""What was done is undone on real objects: in reverse, once, and never over others' changes."""

import json
from collections.abc import Iterator
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
    throughout,
    told,
)
from tests.support.kubectl import Kubectl, Object, eventually
from tests.support.namespaces import empty_namespace
from tests.support.services import Services
from tests.support.workflows import (
    deployment,
    image,
    notify,
    restart,
    scale,
    wait_available,
    workflow,
)

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster
    from shared.bus.embedded import EmbeddedServer

ENDS = ("RolledBack", "RollbackFailed", "Failed", "Degraded", "Completed")


@pytest.fixture(scope="module")
def kubectl(cluster: "LocalCluster") -> Kubectl:
    """Kubectl in one namespace for this module: each test has targets of its own."""
    return empty_namespace(cluster, "rollback")


@pytest.fixture(scope="module")
def services(
    cluster: "LocalCluster",
    nats_server: "EmbeddedServer",
    kubectl: Kubectl,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Services]:
    """All six services for this module."""
    with Services(
        kubeconfig=cluster.kubeconfig,
        nats_url=nats_server.url,
        namespace=kubectl.namespace,
        logs=tmp_path_factory.mktemp("services"),
    ) as running:
        yield running


pytestmark = pytest.mark.usefixtures("services")


def failing(name: str, *needs: str) -> Object:
    """Return a step that fails at once, and for good."""
    return image(name, "nothing", "registry.example/web:9", *needs)


def undos(kubectl: Kubectl, name: str) -> list[Object]:
    """Return the undo executions of a workflow in the order of their fences."""
    return [
        each
        for each in executions(kubectl, name)
        if each["metadata"]["labels"].get("rollback") == "true"
    ]


def replicas(kubectl: Kubectl, name: str) -> int:
    """Return the replicas a Deployment is to have."""
    wanted: int = kubectl.get("deployment", name)["spec"]["replicas"]
    return wanted


def pin(kubectl: Kubectl, target: str, node: str | None) -> None:
    """Let a Deployment's new pods run nowhere, or anywhere again."""
    selector = {"tests.example/there": node}
    patch = {"spec": {"template": {"spec": {"nodeSelector": selector}}}}
    kubectl.ok("patch", "deployment", target, "--type=merge", "-p", json.dumps(patch))


def undo_steps(wfe: Object) -> dict[str, Object]:
    """Return the steps of the way back by name."""
    return {step["name"]: step for step in wfe["status"].get("rollback", {}).get("steps", [])}


def test_row_61_62_71_automatic_rollback_restores_what_was_in_reverse_and_once(
    cluster: "LocalCluster", kubectl: Kubectl
) -> None:
    trail = AuditTrail(cluster.audit_log, kubectl.namespace)
    kubectl.apply(deployment("reverse"))
    steps = [
        scale("a", "reverse", 4),
        image("b", "reverse", "registry.example/web:2", "a"),
        failing("c", "b"),
    ]
    kubectl.apply(workflow("reverse", steps, rollback="Automatic"))
    done = kubectl.wait_phase("reverse", *ENDS)
    throughout(
        lambda: kubectl.get("wfe", "reverse")["status"]["phase"],
        lambda phase: phase == "RolledBack",
    )

    undone = undos(kubectl, "reverse")
    restored = kubectl.get("deployment", "reverse")["spec"]
    assert step_names(undone) == ["b", "a"]
    assert undone[0]["status"]["completionTime"] <= undone[1]["status"]["startTime"]
    assert restored["replicas"] == 2
    assert restored["template"]["spec"]["containers"][0]["image"] == "registry.example/web:1"
    assert trail.phases("workflowexecutions", "reverse") == [
        "Executing",
        "RollingBack",
        "RolledBack",
    ]
    assert condition(done, "RollbackCompleted")["message"] == "2 of 2 steps undone"
    eventually(
        lambda: {"items": kubectl.items("events")},
        lambda found: (
            {"RollbackStarted", "RollbackCompleted"} <= {e["reason"] for e in found["items"]}
        ),
    )


def test_row_63_explicit_rollback_parameters_win(kubectl: Kubectl) -> None:
    for name in ("named", "bounced"):
        kubectl.apply(deployment(name))
    explicit = [
        scale("a", "named", 4)
        | {
            "rollback": {
                "action": "scale_deployment",
                "parameters": {
                    "scaleDeployment": {"deployment": "named", "replicas": "${vars.few}"}
                },
                "timeout": "45s",
            }
        },
        restart("b", "bounced", "a")
        | {
            "rollback": {
                "action": "ScaleDeployment",
                "parameters": {"scaleDeployment": {"deployment": "bounced", "replicas": 3}},
            }
        },
        failing("c", "b"),
    ]
    body = workflow("named", explicit, rollback="Automatic")
    body["spec"]["workflowDefinition"]["variables"] = {"few": 1}
    kubectl.apply(body)

    done = kubectl.wait_phase("named", *ENDS)

    found = undos(kubectl, "named")
    assert done["status"]["phase"] == "RolledBack"
    assert step_names(found) == ["b", "a"]
    assert found[1]["spec"]["parameters"]["scaleDeployment"]["replicas"] == 1
    assert found[1]["spec"]["timeout"] == "45s"
    assert (replicas(kubectl, "named"), replicas(kubectl, "bounced")) == (1, 3)


@pytest.fixture(scope="module")
def unasked(kubectl: Kubectl, services: Services) -> None:
    """Three workflows that stopped and that nobody is to undo unasked, after a while."""
    del services
    for name in ("manual", "kept"):
        kubectl.apply(deployment(name))
    steps = [scale("a", "manual", 4), scale("b", "manual", 3, "a"), failing("c", "b")]
    kubectl.apply(workflow("manual", steps, rollback="Manual"))
    absent = workflow("absent", [scale("a", "kept", 3), failing("b", "a")])
    del absent["spec"]["rollbackStrategy"]
    kubectl.apply(absent)
    kubectl.apply(workflow("none", [notify("a"), failing("b", "a")], rollback="None"))
    ends = {"manual": "Degraded", "absent": "Failed", "none": "Failed"}
    for name, phase in ends.items():
        kubectl.wait_phase(name, phase)
    throughout(
        lambda: {name: kubectl.get("wfe", name)["status"]["phase"] for name in ends},
        lambda phases: phases == ends,
    )


@pytest.mark.usefixtures("unasked")
def test_row_64_68_manual_waits_for_a_person_and_undoes_once(kubectl: Kubectl) -> None:
    assert undos(kubectl, "manual") == []
    assert replicas(kubectl, "manual") == 3

    ask(kubectl, "manual", "rollback")
    kubectl.wait_phase("manual", "RolledBack")
    ask(kubectl, "manual", None)
    ask(kubectl, "manual", "rollback")

    throughout(
        lambda: kubectl.get("wfe", "manual")["status"]["phase"], lambda phase: phase == "RolledBack"
    )
    assert step_names(undos(kubectl, "manual")) == ["b", "a"]
    assert replicas(kubectl, "manual") == 2


@pytest.mark.usefixtures("unasked")
def test_row_65_without_a_strategy_it_fails_and_stays_so(kubectl: Kubectl) -> None:
    ask(kubectl, "absent", "rollback")

    throughout(
        lambda: [kubectl.get("wfe", name)["status"]["phase"] for name in ("absent", "none")],
        lambda phases: phases == ["Failed", "Failed"],
    )

    assert undos(kubectl, "absent") + undos(kubectl, "none") == []
    assert replicas(kubectl, "kept") == 3


def test_row_66_69_70_what_cannot_be_undone_is_named_and_the_rest_is_undone(
    kubectl: Kubectl,
) -> None:
    for name in ("back", "gone", "fresh", "taken"):
        kubectl.apply(deployment(name))
    steps = [
        scale("a", "back", 3),
        scale("b", "gone", 3, "a"),
        restart("c", "fresh", "b"),
        scale("d", "taken", 3, "c"),
        wait_available("e", "partly", "d"),
        failing("f", "e"),
    ]
    kubectl.apply(workflow("partly", steps, rollback="Automatic"))
    claimed(kubectl, "partly", "e")
    planned = kubectl.get("wfe", "partly")
    assert condition(planned, "Planned")["message"] == "cannot be undone: c"
    assert told(kubectl, "partly", "Planned")["message"].endswith("; cannot be undone: c")
    kubectl.ok("delete", "deployment", "gone")
    kubectl.ok("scale", "deployment", "taken", "--replicas=5")
    release(kubectl, "partly")

    done = kubectl.wait_phase("partly", *ENDS)

    undone = undo_steps(done)
    outcome = {name: (step["phase"], step["reason"]) for name, step in undone.items() if step}
    how = (
        "1 of 5 steps undone; 1 undo failed: b; skipped: irreversible: c; skipped: drift: d; "
        "skipped: unchanged: e"
    )
    assert done["status"]["phase"] == "RollbackFailed"
    assert outcome == {
        "e": ("Skipped", "NothingToUndo"),
        "d": ("Skipped", "RollbackSkippedDrift"),
        "c": ("Skipped", "Irreversible"),
        "b": ("Failed", "ActionFailed"),
        "a": ("Completed", "ActionSucceeded"),
    }
    assert "does not exist" in undone["b"]["message"]
    assert "spec.replicas" in undone["d"]["message"]
    assert condition(done, "RollbackFailed")["message"] == how
    assert "skipped: irreversible: c" in condition(done, "RolledBack")["message"]
    assert condition(done, "RollbackSkippedDrift")["status"] == "True"
    assert done["status"]["rollback"]["failures"] == 1
    assert step_names(undos(kubectl, "partly")) == ["d", "b", "a"]
    assert (replicas(kubectl, "back"), replicas(kubectl, "taken")) == (2, 5)


def back_to(kubectl: Kubectl, name: str, step: str) -> Object:
    """Ask for a rollback that stops at a step, and return the workflow with the answer."""
    patch = json.dumps({"spec": {"control": "rollback", "rollbackTo": step}})
    kubectl.ok("patch", "wfe", name, "--type=merge", "-p", patch)
    return answered(kubectl, name, "rollback")


def test_a_rollback_stops_at_the_step_that_a_person_names(kubectl: Kubectl) -> None:
    for name in ("waits", "runs", "stops"):
        kubectl.apply(deployment(name))
        last = failing("d", "c") if name == "waits" else wait_available("d", f"{name}-held", "c")
        steps = [scale("a", name, 4), scale("b", name, 3, "a"), scale("c", name, 1, "b"), last]
        kubectl.apply(workflow(f"to-{name}", steps, rollback="Manual"))
    kubectl.wait_phase("to-waits", "Degraded")
    claimed(kubectl, "to-runs", "d")
    claimed(kubectl, "to-stops", "d")

    refused = [back_to(kubectl, "to-waits", "d"), back_to(kubectl, "to-runs", "ghost")]
    ask(kubectl, "to-stops", "cancel")
    answered(kubectl, "to-stops", "cancel")

    answers = [condition(each, "ControlAccepted") for each in refused]
    assert [each["reason"] for each in answers] == ["StepNotCompleted", "UnknownStep"]
    assert all(each["message"].startswith("spec.rollbackTo: ") for each in answers)
    assert "spec.rollbackTo" in told(kubectl, "to-runs", "ControlRefused")["message"]
    assert [each["status"]["phase"] for each in refused] == ["Degraded", "Executing"]
    assert undos(kubectl, "to-waits") + undos(kubectl, "to-runs") == []

    for name in ("to-waits", "to-runs", "to-stops"):
        assert condition(back_to(kubectl, name, "a"), "ControlAccepted")["status"] == "True"
    release(kubectl, "runs-held", "stops-held")

    for name in ("waits", "runs", "stops"):
        done = kubectl.wait_phase(f"to-{name}", *ENDS, "Cancelled")
        rollback = done["status"]["rollback"]
        assert done["status"]["phase"] == "RolledBack"
        assert (rollback["to"], rollback["kept"]) == ("a", ["a"])
        assert step_names(undos(kubectl, f"to-{name}")) == ["c", "b"]
        assert replicas(kubectl, name) == 4
        assert condition(done, "RollbackCompleted")["message"].startswith("rolled back to a: 2 of")


def test_row_70_who_is_to_ask_about_drift_waits_for_a_person(kubectl: Kubectl) -> None:
    for name in ("forced", "left"):
        kubectl.apply(deployment(name))
    steps = [
        scale("a", "forced", 3) | {"onDrift": "ask"},
        scale("b", "left", 3, "a") | {"onDrift": "ask"},
        wait_available("c", "asked", "b"),
        failing("d", "c"),
    ]
    kubectl.apply(workflow("asked", steps, rollback="Automatic"))
    claimed(kubectl, "asked", "c")
    kubectl.ok("scale", "deployment", "forced", "left", "--replicas=5")
    release(kubectl, "asked")

    for step, answer in (("b", "skip"), ("a", "force")):
        waiting = asking(kubectl, "asked", step)
        question = condition(waiting, "DriftNeedsDecision")
        assert waiting["status"]["phase"] == "RollingBack"
        assert question["status"] == "True"
        assert f"undo of {step}: somebody changed spec.replicas" in question["message"]
        assert f"kubernaut.io/on-drift.{step} to force or skip" in question["message"]
        kubectl.ok("annotate", "wfe", "asked", f"kubernaut.io/on-drift.{step}={answer}")
    done = kubectl.wait_phase("asked", *ENDS)

    assert done["status"]["phase"] == "RolledBack"
    assert told(kubectl, "asked", "DriftNeedsDecision")["type"] == "Warning"
    assert condition(done, "DriftNeedsDecision")["status"] == "False"
    assert condition(done, "RollbackSkippedDrift")["message"].endswith("had changed: b")
    assert step_names(undos(kubectl, "asked")) == ["b", "a", "a"]
    assert (replicas(kubectl, "forced"), replicas(kubectl, "left")) == (2, 5)


def asking(kubectl: Kubectl, name: str, step: str) -> Object:
    """Wait until the undo of a step waits for a decision about drift; return the workflow."""
    return eventually(
        lambda: kubectl.get("wfe", name),
        lambda wfe: undo_steps(wfe).get(step, {}).get("reason") == "DriftNeedsDecision",
    )


@pytest.fixture(scope="module")
def survivors(kubectl: Kubectl, services: Services) -> dict[str, Object]:
    """Return two ended workflows whose services were all killed on the way back.

    `killed` had made the change of an undo that could not settle; `again` had lost one try of
    an undo, and waited for the next or was at it.
    """
    for name in ("early", "late", "slow"):
        kubectl.apply(deployment(name))
    steps = [
        scale("a", "early", 3),
        scale("b", "late", 1, "a"),
        wait_available("c", "killed", "b"),
        failing("d", "c"),
    ]
    explicit = {
        "rollback": {
            "action": "scale_deployment",
            "parameters": {"scaleDeployment": {"deployment": "slow", "replicas": 2}},
            "timeout": "4s",
        }
    }
    tried = [
        scale("a", "slow", 1) | explicit,
        wait_available("b", "again", "a"),
        failing("c", "b"),
    ]
    kubectl.apply(workflow("killed", steps, rollback="Automatic"))
    kubectl.apply(workflow("again", tried, rollback="Automatic"))
    claimed(kubectl, "killed", "c")
    claimed(kubectl, "again", "b")
    pin(kubectl, "late", "none")
    pin(kubectl, "slow", "none")
    release(kubectl, "killed", "again")
    eventually(lambda: replicas(kubectl, "late"), lambda found: found == 2)
    eventually(lambda: kubectl.get("wfe", "again"), was_tried)

    for process in services.processes.values():
        process.kill()
    pin(kubectl, "late", None)
    pin(kubectl, "slow", None)
    for process in services.processes.values():
        process.start()
    return {name: kubectl.wait_phase(name, *ENDS) for name in ("killed", "again")}


def was_tried(wfe: Object) -> bool:
    """Return whether the first try of the undo of step a has failed."""
    step = undo_steps(wfe).get("a", {})
    return bool(step.get("reason") == "Retrying" or step.get("attempt", 0) > 1)


def test_row_68_a_rollback_goes_on_after_the_death_of_all_services(
    kubectl: Kubectl, survivors: dict[str, Object]
) -> None:
    found = undos(kubectl, "killed")

    assert survivors["killed"]["status"]["phase"] == "RolledBack"
    assert step_names(found) == ["b", "a"]
    assert [each["spec"]["attempt"] for each in found] == [1, 1]
    # Made, changed, pinned, undone, let go; and made, changed, undone.
    assert kubectl.get("deployment", "late")["metadata"]["generation"] == 5
    assert kubectl.get("deployment", "early")["metadata"]["generation"] == 3
    assert (replicas(kubectl, "early"), replicas(kubectl, "late")) == (2, 2)


def test_row_67_68_a_failed_undo_is_tried_again_over_the_death_of_all_services(
    kubectl: Kubectl, survivors: dict[str, Object]
) -> None:
    found = undos(kubectl, "again")

    assert survivors["again"]["status"]["phase"] == "RolledBack"
    assert step_names(found) == ["a"] * len(found)
    assert [each["spec"]["attempt"] for each in found] == [*range(1, len(found) + 1)]
    assert [each["status"]["phase"] for each in found][-1] == "Completed"
    assert found[0]["status"]["executionResults"]["errorType"] == "timeout"
    assert 2 <= len(found) <= 3
    assert replicas(kubectl, "slow") == 2


def test_a_person_who_asks_for_a_rollback_gets_it_whatever_the_strategy(kubectl: Kubectl) -> None:
    kubectl.apply(deployment("asked"))
    steps = [scale("a", "asked", 4), wait_available("b", "wanted", "a"), notify("c", "b")]
    kubectl.apply(workflow("wanted", steps, rollback="None"))
    claimed(kubectl, "wanted", "b")

    ask(kubectl, "wanted", "rollback")
    in_phase(kubectl, "wanted", c="Skipped")
    release(kubectl, "wanted")

    done = kubectl.wait_phase("wanted", *ENDS)
    assert done["status"]["phase"] == "RolledBack"
    assert replicas(kubectl, "asked") == 2
