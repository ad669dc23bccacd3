"""Workflows that try every change first: what is refused changes nothing, what passes is made."""

from typing import TYPE_CHECKING

import pytest

from tests.support.audit import AuditTrail
from tests.support.control import condition, executions, steps_of
from tests.support.kubectl import Kubectl, Object
from tests.support.refusing import FORBIDDEN, Changes, forbidding_changes
from tests.support.workflows import image, notify, scale, workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

pytestmark = pytest.mark.usefixtures("module_services")

TRIED, MADE = ("dry run", 200), ("change", 200)


@pytest.mark.parametrize(
    ("reason", "code", "error"),
    [("Forbidden", 403, "permission_denied"), ("Invalid", 422, "validation_error")],
    ids=["forbidden", "invalid"],
)
def test_row_75_a_refused_change_is_not_made(
    cluster: "LocalCluster", kubectl: Kubectl, reason: str, code: int, error: str
) -> None:
    changes = Changes(cluster.audit_log, kubectl.namespace)
    before = kubectl.get("deployment", "web")
    with forbidding_changes(kubectl, "web", reason=reason):
        kubectl.apply(_tried_first("refused", [scale("a", "web", 4), notify("b", "a")]))
        done = kubectl.wait_phase("refused", "Failed", "Completed")

    after = kubectl.get("deployment", "web")
    assert _without_status(after) == _without_status(before)
    assert set(changes.answers()) == {("dry run", code)}
    step, results = steps_of(done)["a"], done["status"]["validationResults"]
    assert done["status"]["phase"] == "Failed"
    assert (step["phase"], step["errorType"]) == ("Failed", error)
    assert results["dryRunPerformed"] is True
    assert results["dryRunResults"].startswith("0 of 1 changes passed; step a: patch deployments")
    (execution,) = executions(kubectl, "refused")
    found, said = _dry_run(execution), condition(execution, "DryRunCompleted")
    assert (found["performed"], found["success"]) == (True, False)
    assert FORBIDDEN in found["errors"][0]
    assert (said["status"], said["reason"]) == ("False", "ValidationFailed")
    assert execution["status"]["message"].startswith("dry run: patch deployments web: ")


def test_row_75_a_change_that_passes_is_made_and_shows_its_dry_run(
    cluster: "LocalCluster", kubectl: Kubectl
) -> None:
    changes = Changes(cluster.audit_log, kubectl.namespace)
    trail = AuditTrail(cluster.audit_log, kubectl.namespace)
    trail.add("deployments", [kubectl.get("deployment", "web")])
    kubectl.apply(_tried_first("passes", [scale("a", "web", 4), notify("b", "a")]))

    done = kubectl.wait_phase("passes", "Completed", "Failed")

    *tries, last = changes.answers()
    assert done["status"]["phase"] == "Completed"
    assert (set(tries), last) == ({TRIED}, MADE)
    assert trail.effects("web") == ["replicas=4"]
    results = done["status"]["validationResults"]
    assert (results["dryRunPerformed"], results["dryRunResults"]) == (True, "1 of 1 changes passed")
    scaling, telling = executions(kubectl, "passes")
    target = f"Deployment {kubectl.namespace}/web"
    assert _dry_run(scaling) == {
        "performed": True,
        "success": True,
        "estimatedImpact": {
            "resourcesAffected": 1,
            "description": f"{target}: spec.replicas: 2 -> 4",
        },
    }
    assert condition(scaling, "DryRunCompleted")["reason"] == "ValidationSucceeded"
    assert _dry_run(telling)["performed"] is False
    assert _dry_run(telling)["estimatedImpact"]["description"] == "notify_only changes nothing"


def test_what_is_undone_is_not_tried_first(cluster: "LocalCluster", kubectl: Kubectl) -> None:
    changes = Changes(cluster.audit_log, kubectl.namespace)
    fails = image("b", "web", "registry.example/web:2", "a", container="missing")
    kubectl.apply(_tried_first("undone", [scale("a", "web", 4), fails], rollback="Automatic"))

    done = kubectl.wait_phase("undone", "RolledBack", "RollbackFailed", "Completed")

    *tries, change, undo = changes.answers()
    assert done["status"]["phase"] == "RolledBack"
    assert (set(tries), change, undo) == ({TRIED}, MADE, MADE)
    assert kubectl.get("deployment", "web")["spec"]["replicas"] == 2


def _tried_first(name: str, steps: list[Object], *, rollback: str = "None") -> Object:
    body = workflow(name, steps, rollback=rollback)
    body["spec"]["executionStrategy"] = {"dryRunFirst": True}
    return body


def _dry_run(execution: Object) -> Object:
    found: Object = execution["status"]["validationResults"]["dryRunResults"]
    return found


def _without_status(deployment: Object) -> Object:
    """Return what people and services wrote, with the generation that counts it."""
    meta = deployment["metadata"]
    kept = {key: meta.get(key) for key in ("uid", "generation", "annotations")}
    return kept | {"spec": deployment["spec"]}
