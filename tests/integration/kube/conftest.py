"""A namespace for each test, and clients of the API server in it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from shared.clock import SystemClock
from shared.kube.client import ApiCluster
from tests.support.kubectl import Kubectl
from tests.support.namespaces import empty_namespace
from tests.support.proxy import Proxy, port_of, through

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

Connect = Callable[..., Any]


@pytest.fixture
def kubectl(cluster: "LocalCluster", request: pytest.FixtureRequest) -> Kubectl:
    """Kubectl in a namespace of this test."""
    return empty_namespace(cluster, request.node.name.removeprefix("test_"))


@pytest.fixture
async def connect(cluster: "LocalCluster") -> AsyncIterator[Connect]:
    """Return a function that connects to the API server; it closes what it opened."""
    async with AsyncExitStack() as stack:

        async def connected(
            kubeconfig: Path | None = None,
            *,
            form: type[ApiCluster] = ApiCluster,
            manager: str = "tests",
            **more: Any,
        ) -> ApiCluster:
            made = await form.connect(
                kubeconfig=str(kubeconfig or cluster.kubeconfig),
                field_manager=manager,
                qps=0,
                burst=1,
                clock=SystemClock(),
                **more,
            )
            return await stack.enter_async_context(made)

        yield connected


@pytest.fixture
async def api(connect: Connect) -> ApiCluster:
    """A client that nothing comes between."""
    found: ApiCluster = await connect()
    return found


@pytest.fixture
async def proxy(cluster: "LocalCluster") -> AsyncIterator[Proxy]:
    """A proxy before the API server."""
    async with Proxy(port_of(cluster.kubeconfig)) as running:
        yield running


@pytest.fixture
def proxied(cluster: "LocalCluster", proxy: Proxy, tmp_path: Path) -> Path:
    """A kubeconfig that goes through the proxy."""
    return through(cluster.kubeconfig, proxy, tmp_path)
