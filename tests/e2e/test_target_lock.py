"""Two workflows on one target: the second waits, says for whom, and goes on by itself.

A step is held open by a Deployment whose pods fit on no node until the test labels one.
"""

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests.support.audit import AuditTrail
from tests.support.kubectl import Kubectl, Object, eventually
from tests.support.ledgers import AuditedRequests
from tests.support.services import Services
from tests.support.workflows import deployment, image, restart, scale, workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

EXECUTIONS = "kubernetesexecutions"
TARGET = "held"


@pytest.fixture
def trail(cluster: "LocalCluster", kubectl: Kubectl) -> AuditTrail:
    """All changes in the namespace of this test."""
    return AuditTrail(cluster.audit_log, kubectl.namespace)


def test_the_second_workflow_waits_for_the_first_and_says_so(
    kubectl: Kubectl, services: Services, trail: AuditTrail
) -> None:
    services.wait_connected()
    _hold_open(kubectl)
    kubectl.apply(workflow("first", [scale("one", TARGET, 1)]))
    _until_changed(kubectl, replicas=1)
    kubectl.apply(workflow("second", [scale("two", TARGET, 3)]))
    waiting = _until_blocked(kubectl, "second")

    condition = _condition(waiting, "Blocked")
    assert (condition["status"], condition["reason"]) == ("True", "TargetLocked")
    assert condition["message"] == (
        f"Deployment {kubectl.namespace}/{TARGET} is held by workflow "
        f"{kubectl.namespace}/first, step one"
    )
    told = eventually(
        lambda: _condition(kubectl.get("wfe", "second"), "Blocked"),
        lambda found: found.get("status") == "True",
    )
    assert told["reason"] == "TargetLocked"
    assert told["message"] == f"step two: {condition['message']}"
    assert waiting["status"].get("claimFence", 0) == 0
    assert "startTime" not in waiting["status"]

    _let_go(kubectl)
    for name in ("first", "second"):
        assert kubectl.wait_phase(name, "Completed", "Failed")["status"]["phase"] == "Completed"
    assert _effects(trail, TARGET) == ["replicas=1", "replicas=3"]
    _check_one_after_the_other(trail, kubectl)
    assert _condition(kubectl.get("wfe", "second"), "Blocked")["status"] == "False"
    went = _execution(kubectl, "second")
    assert _condition(went, "Blocked")["status"] == "False"
    assert went["status"]["rollbackInformation"]["before"] == {"spec.replicas": "1"}


def test_the_lock_outlives_the_executor_that_took_it(
    kubectl: Kubectl, services: Services, trail: AuditTrail
) -> None:
    _hold_open(kubectl)
    kubectl.apply(workflow("first", [scale("one", TARGET, 1)]))
    _until_changed(kubectl, replicas=1)
    kubectl.apply(workflow("second", [restart("two", TARGET)]))
    _until_blocked(kubectl, "second")

    services.processes["executor-0"].kill()
    services.processes["executor-0"].start()
    _let_go(kubectl)

    for name in ("first", "second"):
        assert kubectl.wait_phase(name, "Completed", "Failed")["status"]["phase"] == "Completed"
    assert _effects(trail, TARGET) == ["replicas=1", "restarted"]
    _check_one_after_the_other(trail, kubectl)


def test_many_workflows_at_once_take_turns(
    cluster: "LocalCluster", kubectl: Kubectl, services: Services, trail: AuditTrail
) -> None:
    audited = AuditedRequests(cluster.audit_log)
    services.wait_connected()
    kubectl.apply(deployment(TARGET))
    steps = [
        scale("a", TARGET, 3),
        scale("a", TARGET, 4),
        restart("a", TARGET),
        image("a", TARGET, "registry.example/web:2"),
    ]
    names = [f"w{number}" for number in range(len(steps))]
    for name, step in zip(names, steps, strict=True):
        kubectl.apply(workflow(name, [step]))

    for name in names:
        done = kubectl.wait_phase(name, "Completed", "Failed")
        assert done["status"]["phase"] == "Completed", done["status"]["steps"]
    assert len(_effects(trail, TARGET)) == len(steps)
    _check_one_after_the_other(trail, kubectl)
    assert audited.differences(kubectl.namespace, kubectl.items("kex"), exact=True) == []


def _hold_open(kubectl: Kubectl) -> None:
    """Make a Deployment without pods, whose pods will wait for a node."""
    body = deployment(TARGET, replicas=0)
    body["spec"]["template"]["spec"]["nodeSelector"] = _label(kubectl)
    kubectl.apply(body)


def _let_go(kubectl: Kubectl) -> None:
    node = kubectl.items("nodes")[0]["metadata"]["name"]
    kubectl.ok("label", "node", node, *(f"{key}={word}" for key, word in _label(kubectl).items()))


def _label(kubectl: Kubectl) -> dict[str, str]:
    return {f"tests.example/{kubectl.namespace}": "open"}


def _until_changed(kubectl: Kubectl, *, replicas: int) -> None:
    eventually(
        lambda: kubectl.get("deployment", TARGET),
        lambda live: bool(live["spec"]["replicas"] == replicas),
    )


def _until_blocked(kubectl: Kubectl, name: str) -> Object:
    return eventually(
        lambda: _execution(kubectl, name),
        lambda found: _condition(found, "Blocked").get("status") == "True",
    )


def _execution(kubectl: Kubectl, name: str) -> Object:
    """Return the only execution of a workflow, or nothing while there is none."""
    found = kubectl.items("kex", selector=f"kubernaut.ai/workflow={name}")
    return found[0] if found else {}


def _condition(found: Object, kind: str) -> Object:
    conditions: list[Object] = found.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == kind), {})


def _effects(trail: AuditTrail, target: str) -> list[str]:
    """Return the changes but those of annotations alone, which count as a generation too."""
    return [effect for effect in trail.effects(target) if effect != "something else"]


def _check_one_after_the_other(trail: AuditTrail, kubectl: Kubectl) -> None:
    """See that nobody changed the target while another one's execution was in flight.

    Versions of all objects come from one counter, so that they tell what was first.
    """
    trail.add(EXECUTIONS, kubectl.items("kex"))
    changed: dict[str, list[int]] = {}
    for change in trail.changes("deployments"):
        annotations = change.object.get("metadata", {}).get("annotations", {})
        holder = annotations.get("kubernaut.ai/locked-by", "").partition(",")[0]
        if change.verb == "patch" and holder:
            changed.setdefault(holder.split("/")[1], []).append(change.version)
    ended = {
        change.name: change.version
        for change in reversed(trail.changes(EXECUTIONS))
        if change.object.get("status", {}).get("phase") == "Completed"
    }
    assert changed.keys() == ended.keys()
    turns = sorted((min(versions), ended[name]) for name, versions in changed.items())
    for (_, end), (begin, _) in pairwise(turns):
        assert end < begin, turns
