"""Actions that run as a Job, as a person sees them."""

from typing import TYPE_CHECKING, Final

import pytest

from tests.support.jobs import pod_template
from tests.support.kubectl import Kubectl, Object, eventually
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


def _template(
    name: str,
    *,
    container: str = "main",
    annotation: tuple[str, str] = ("none", ""),
    **spec: object,
) -> Object:
    body = pod_template(name, **spec)
    body["metadata"] = {"name": name}
    body["template"]["metadata"]["annotations"] = {f"mendflow.test/{annotation[0]}": annotation[1]}
    body["template"]["spec"]["containers"][0]["name"] = container
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


def test_jobs_run_fail_and_are_cancelled(space: Kubectl) -> None:
    space.apply(_template("promote"))
    space.apply(_template("breaks", container="hostile", annotation=("pod", "fail")))
    space.apply(_template("endless", annotation=("pod", "never-ready")))
    space.apply(workflow("runs", [_custom("promote", SITE="$(HOME) `id`")]))
    space.apply(workflow("breaks", [_custom("breaks")]))
    space.apply(workflow("late", [_custom("endless") | {"timeout": "3s"}]))
    strategy = {"onInFlight": "cancel"}
    stopped = workflow("stopped", [_custom("endless")])
    stopped["spec"]["executionStrategy"] = strategy
    space.apply(stopped)

    (running,) = eventually(lambda: _running(space, "stopped"), lambda found: len(found) == 1)
    space.ok("patch", "wfe", "stopped", "--type=merge", "-p", '{"spec":{"control":"cancel"}}')

    ends = {name: _ended(space, name) for name in ("runs", "breaks", "late", "stopped")}
    assert {name: phase for name, (phase, _) in ends.items()} == {
        "runs": "Completed",
        "breaks": "Failed",
        "late": "Failed",
        "stopped": "Cancelled",
    }
    results = {
        name: execution["status"]["executionResults"] for name, (_, execution) in ends.items()
    }
    assert {name: each.get("errorType") for name, each in results.items()} == {
        "runs": None,
        "breaks": "unknown_error",
        "late": "timeout",
        "stopped": "cancelled",
    }
    assert results["runs"]["podLogs"] == "hello from a fake container\ndone"
    assert "password=[redacted]" in results["breaks"]["podLogs"]
    assert "ended with exit code 1" in results["breaks"]["errorMessage"]
    assert (
        results["stopped"]["jobName"]
        == running["metadata"]["labels"]["batch.kubernetes.io/job-name"]
    )
    left = {job["metadata"]["labels"]["kubernaut.ai/workflow"] for job in space.items("jobs")}
    assert left == {"runs", "breaks"}
    assert _running(space, "late") == _running(space, "stopped") == []


def test_a_deleted_execution_takes_its_job_along_and_runs_no_other(space: Kubectl) -> None:
    space.apply(_template("lost", annotation=("pod", "never-ready")))
    space.apply(workflow("lost", [_custom("lost")]))
    (pod,) = eventually(lambda: _running(space, "lost"), lambda found: len(found) == 1)

    execution = pod["metadata"]["labels"]["kubernaut.ai/execution"]
    space.ok("delete", "kex", execution)

    done = space.wait_phase("lost", "Failed", "Completed", "Degraded")
    step = done["status"]["steps"][0]
    assert (step["phase"], step["errorType"]) == ("Failed", "unknown_error")
    assert "its execution was deleted, and its Job with it" in step["message"]
    eventually(
        lambda: space.items("jobs", selector="kubernaut.ai/workflow=lost"),
        lambda found: found == [],
    )
    assert _running(space, "lost") == []


def _custom(template: str, **config: str) -> Object:
    return _step("custom", "custom", template=template, config=config)


def _running(space: Kubectl, name: str) -> list[Object]:
    pods = space.items("pods", selector=f"kubernaut.ai/workflow={name}")
    return [pod for pod in pods if pod["status"]["phase"] == "Running"]


def _ended(space: Kubectl, name: str) -> tuple[str, Object]:
    done = space.wait_phase(name, "Completed", "Failed", "Cancelled")
    (execution,) = space.items("kex", selector=f"kubernaut.ai/workflow={name}")
    return done["status"]["phase"], execution
