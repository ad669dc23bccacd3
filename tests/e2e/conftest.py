"""What every end-to-end test starts from: a namespace with two Deployments, and services."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.kubectl import Kubectl, eventually
from tests.support.services import Services
from tests.support.workflows import deployment

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

    from shared.bus.embedded import EmbeddedServer


@pytest.fixture
def kubectl(cluster: "LocalCluster", request: pytest.FixtureRequest) -> Kubectl:
    """Kubectl in a namespace of this test, with the Deployments web and api in it."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())
    found = Kubectl(cluster.kubeconfig, namespace=name.strip("-")[:50].rstrip("-"))
    found.ok("create", "namespace", found.namespace)
    for target in ("web", "api"):
        found.apply(deployment(target))
    for target in ("web", "api"):
        eventually(
            lambda target=target: found.get("deployment", target),
            lambda live: live.get("status", {}).get("availableReplicas") == 2,
        )
    return found


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
