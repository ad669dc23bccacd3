"""Nothing is carried out in a namespace that nobody has opted in; unless that is switched off."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli.namespaces.opting_in import manifests
from tests.support.kubectl import Kubectl
from tests.support.namespaces import closed_namespace
from tests.support.servers import kubectl
from tests.support.services import Services
from tests.support.workflows import deployment, restart, scale, workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster
    from shared.bus.embedded import EmbeddedServer


@pytest.fixture
def space(cluster: "LocalCluster", request: pytest.FixtureRequest) -> Kubectl:
    """A namespace with a Deployment, which is not opted in."""
    made = closed_namespace(cluster, request.node.name.removeprefix("test_"))
    made.apply(deployment("web"))
    return made


def test_what_is_not_opted_in_is_refused_until_it_is(
    cluster: "LocalCluster", nats_server: "EmbeddedServer", space: Kubectl, tmp_path: Path
) -> None:
    with _services(cluster, nats_server, space, tmp_path):
        space.apply(workflow("before", [scale("a", "web", 3)]))
        before = space.wait_phase("before", "Failed", "Completed")
        some = manifests(space.namespace, actions="scale_deployment")
        kubectl(cluster.kubeconfig, "apply", "-f", "-", given=some)
        space.apply(workflow("after", [scale("a", "web", 3), restart("b", "web", "a")]))
        after = space.wait_phase("after", "Failed", "Completed")

    assert before["status"]["errorType"] == "permission_denied"
    assert after["status"]["failedStep"] == "b", "only scaling was opted in for"
    assert after["status"]["errorType"] == "permission_denied"
    assert space.get("deployment", "web")["spec"]["replicas"] == 3
    (failed,) = (
        each["status"]["message"]
        for each in space.items("kex")
        if each["spec"]["workflowExecutionRef"]["name"] == "after"
        and each["status"]["phase"] == "Failed"
    )
    assert f"system:serviceaccount:{space.namespace}:mendflow-restart-deployment" in failed


def test_without_impersonation_the_executor_acts_with_its_own_rights(
    cluster: "LocalCluster", nats_server: "EmbeddedServer", space: Kubectl, tmp_path: Path
) -> None:
    with _services(cluster, nats_server, space, tmp_path, MENDFLOW_IMPERSONATE="false") as running:
        space.apply(workflow("own", [scale("a", "web", 3)]))
        space.wait_phase("own", "Completed")
        told = [line["event"] for line in running.lines("executor")]

    assert "actions are carried out with the executor's own rights" in told


def _services(
    cluster: "LocalCluster",
    nats_server: "EmbeddedServer",
    space: Kubectl,
    logs: Path,
    **environment: str,
) -> Services:
    return Services(
        kubeconfig=cluster.kubeconfig,
        nats_url=nats_server.url,
        namespace=space.namespace,
        logs=logs,
        environment=environment,
    )
