"""Executions that somebody deletes, or makes: noticed, told, and never carried out twice."""

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.audit import AuditTrail
from tests.support.control import claimed, executions, release, step_names, steps_of
from tests.support.kubectl import Kubectl, eventually
from tests.support.refusing import BrokenBackend, failing_changes
from tests.support.services import Services
from tests.support.workflows import notify, scale, wait_available, workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

pytestmark = pytest.mark.usefixtures("module_services")


def test_row_46_an_execution_that_is_missing_after_its_end_stops_nothing(kubectl: Kubectl) -> None:
    steps = [scale("a", "web", 3), wait_available("b", "go-on", "a"), notify("c", "b")]
    kubectl.apply(workflow("missing", steps))
    claimed(kubectl, "missing", "b")

    kubectl.ok("delete", "kex", *_names(kubectl, "missing", "a"))
    release(kubectl, "go-on")

    done = kubectl.wait_phase("missing", "Completed", "Failed")
    assert done["status"]["phase"] == "Completed"
    assert step_names(executions(kubectl, "missing")) == ["b", "c"]
    assert kubectl.get("deployment", "web")["spec"]["replicas"] == 3


def test_row_47_an_execution_deleted_while_it_runs(
    cluster: "LocalCluster", kubectl: Kubectl
) -> None:
    trail = AuditTrail(cluster.audit_log, kubectl.namespace)
    with BrokenBackend() as backend, failing_changes(kubectl, backend, "web"):
        changing = [scale("a", "web", 3), notify("b", "a")]
        kubectl.apply(workflow("deleted", changing, rollback="Manual"))
        claimed(kubectl, "deleted", "a")

        kubectl.ok("delete", "kex", *_names(kubectl, "deleted", "a"))

        # What was noticed is soon overtaken by what came of it, but it stays in the log.
        noticed = eventually(lambda: _noticed_deletions(trail, "a"), bool)
    done = kubectl.wait_phase("deleted", "Degraded", "Completed")

    steps = steps_of(done)
    assert noticed[0] == "Running"
    assert done["status"]["phase"] == "Degraded"
    assert (steps["a"]["phase"], steps["a"]["errorType"]) == ("Failed", "unknown_error")
    assert (done["status"]["failedStep"], done["status"]["errorType"]) == ("a", "unknown_error")
    assert steps["b"]["phase"] == "Skipped"
    assert kubectl.get("deployment", "web")["spec"]["replicas"] == 2


def test_row_48_an_execution_without_owner_is_ignored_and_told(
    kubectl: Kubectl, module_services: Services
) -> None:
    kubectl.apply(workflow("adopting", [wait_available("a", "later"), notify("b", "a")]))
    made = claimed(kubectl, "adopting", "a")
    other = scale("a", "api", 9)
    orphan = {
        "apiVersion": made["apiVersion"],
        "kind": made["kind"],
        "metadata": {"name": "orphan", "labels": made["metadata"]["labels"]},
        "spec": made["spec"] | {key: other[key] for key in ("action", "parameters")},
    }

    kubectl.ok("create", "-f", "-", stdin=json.dumps(orphan))

    log = module_services.processes["executor-0"].log
    eventually(log.read_text, lambda text: "not made for its workflow" in text)
    told = eventually(
        lambda: [e for e in kubectl.items("events") if e["reason"] == "OwnerReferenceFailed"], bool
    )
    release(kubectl, "later")
    done = kubectl.wait_phase("adopting", "Completed", "Failed")
    assert done["status"]["phase"] == "Completed"
    assert "KubernetesExecution orphan" in told[0]["message"]
    assert "claimedBy" not in kubectl.get("kex", "orphan").get("status", {})
    assert kubectl.get("deployment", "api")["spec"]["replicas"] == 2


def _noticed_deletions(trail: AuditTrail, step: str) -> list[str]:
    """Return the phase of a step in each version that says that its execution was deleted."""
    written = trail.changes("workflowexecutions")
    versions = [steps_of(each.object).get(step, {}) for each in written]
    return [each["phase"] for each in versions if each.get("reason") == "ExecutionDeleted"]


def _names(kubectl: Kubectl, workflow_name: str, step: str) -> list[str]:
    """Return the names of the executions of a step."""
    found = executions(kubectl, workflow_name)
    return [each["metadata"]["name"] for each in found if each["spec"]["stepName"] == step]
