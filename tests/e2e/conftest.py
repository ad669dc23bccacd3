"""What every end-to-end test starts from: a namespace with two Deployments, and services."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.kubectl import Kubectl
from tests.support.namespaces import fresh_namespace
from tests.support.services import Services

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster
    from shared.bus.embedded import EmbeddedServer


@pytest.fixture
def kubectl(cluster: "LocalCluster", request: pytest.FixtureRequest) -> Kubectl:
    """Kubectl in a namespace of this test, with the Deployments web and api in it."""
    return fresh_namespace(cluster, request.node.name.removeprefix("test_"))


@pytest.fixture
def services(
    cluster: "LocalCluster", nats_server: "EmbeddedServer", kubectl: Kubectl, tmp_path: Path
) -> Iterator[Services]:
    """All six services, one process each, working in this test's namespace."""
    with Services(
        kubeconfig=cluster.kubeconfig,
        nats_url=nats_server.url,
        namespace=kubectl.namespace,
        logs=tmp_path,
    ) as running:
        yield running


@pytest.fixture(scope="module")
def module_services(
    cluster: "LocalCluster", nats_server: "EmbeddedServer", tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Services]:
    """All six services for all namespaces, shared by the tests of a module."""
    with Services(
        kubeconfig=cluster.kubeconfig,
        nats_url=nats_server.url,
        namespace="",
        logs=tmp_path_factory.mktemp("services"),
    ) as running:
        yield running
