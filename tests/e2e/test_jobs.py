"""Actions that run as a Job, as a person sees them."""

from typing import TYPE_CHECKING, Final

import pytest

from tests.support.jobs import pod_template
from tests.support.kubectl import Kubectl, Object
from tests.support.namespaces import empty_namespace
from tests.support.workflows import workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

pytestmark = pytest.mark.usefixtures("module_services")

STEP: Final = "spec.workflowDefinition.steps[a]"


@pytest.fixture(scope="module")
def space(cluster: "LocalCluster") -> Kubectl:
    """Kubectl in the namespace of this module, with the account of Jobs and some templates."""
    kubectl = empty_namespace(cluster, "jobs")
    kubectl.ok("create", "serviceaccount", "mendflow-job")
    kubectl.apply(_template("root", securityContext={"runAsUser": 0}))
    kubectl.apply(_template("backup-data"))
    return kubectl


def _template(name: str, **spec: object) -> Object:
    body = pod_template(name, **spec)
    body["metadata"] = {"name": name}
    return body


def _step(action: str, key: str, **parameters: object) -> Object:
    return {"name": "a", "action": action, "parameters": {key: parameters}}


def _refusals(space: Kubectl, name: str) -> list[str]:
    done = space.wait_phase(name, "Failed", "Completed")
    assert done["status"]["phase"] == "Failed"
    assert space.items("kex", selector=f"kubernaut.ai/workflow={name}") == []
    found: list[str] = done["status"]["validationResults"]["validationErrors"]
    return found


def test_a_job_that_cannot_run_is_refused_when_it_is_planned(
    cluster: "LocalCluster", space: Kubectl
) -> None:
    bare = empty_namespace(cluster, "jobs-without-account")
    failover = _step("failover_database", "failoverDatabase", database="orders")
    root = _step("custom", "custom", template="root", config={"PATH": "/evil"})
    command = _step("custom", "custom", customCommand=["true"])
    space.apply(workflow("missing", [failover]))
    space.apply(workflow("forbidden", [root]))
    space.apply(workflow("command", [command]))
    bare.apply(workflow("bare", [_step("backup_data", "backupData", resource="orders")]))

    missing, forbidden = _refusals(space, "missing"), _refusals(space, "forbidden")

    (why,) = missing
    assert why == (
        f"{STEP}.parameters.failoverDatabase.template: InvalidParameters: "
        "there is no PodTemplate failover-database in namespace jobs: failover_database needs "
        "one, since a plain cluster has no database to act on; create it, or name another one "
        "in template"
    )
    assert len(forbidden) == 2
    assert forbidden[0].startswith(
        f"{STEP}.parameters.custom.config: InvalidParameters: 'PATH' would decide"
    )
    assert (
        "PodTemplate root in namespace jobs: template.spec.securityContext.runAsUser"
        in (forbidden[1])
    )
    assert "have MENDFLOW_JOB_IMAGE set" in _refusals(space, "command")[0]
    no_account, no_template = _refusals(bare, "bare")
    assert "there is no ServiceAccount mendflow-job in namespace jobs-without" in no_account
    assert "there is no PodTemplate backup-data" in no_template
