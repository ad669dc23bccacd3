"""A namespace for the sweep, and a client of the API server in it."""

from typing import TYPE_CHECKING

import pytest

from cli.namespaces.choosing import BEYOND
from tests.integration.kube.conftest import api, connect
from tests.support.kubectl import Kubectl
from tests.support.namespaces import opted_in_namespace

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

__all__ = ["api", "connect"]


@pytest.fixture
def kubectl(cluster: "LocalCluster", request: pytest.FixtureRequest) -> Kubectl:
    """Kubectl in a namespace of this test, in which every action has its own account."""
    return opted_in_namespace(cluster, request.node.name, cluster_actions=",".join(BEYOND))
