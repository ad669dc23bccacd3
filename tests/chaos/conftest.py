"""Services that outlive a test: each test breaks something and leaves it whole again."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support.services import Services

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster
    from shared.bus.embedded import EmbeddedServer


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator["EmbeddedServer"]:
    """A NATS server that tests may kill and wipe."""
    from shared.bus.embedded import EmbeddedServer

    with EmbeddedServer(tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest.fixture(scope="module")
def services(
    cluster: "LocalCluster",
    bus: "EmbeddedServer",
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Services]:
    """All six services for all namespaces, as many of each as the module's REPLICAS says."""
    with Services(
        kubeconfig=cluster.kubeconfig,
        nats_url=bus.url,
        namespace="",
        logs=tmp_path_factory.mktemp("services"),
        replicas=getattr(request.module, "REPLICAS", 1),
    ) as running:
        yield running
