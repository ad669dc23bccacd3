"""A namespace with a Deployment, and readers that ask a real API server."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from shared.clock import SystemClock
from shared.kube.client import ApiCluster
from tests.support.kubectl import Kubectl
from tests.support.namespaces import empty_namespace
from tests.support.rights import kubeconfigs

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

Open = Callable[..., Awaitable[ApiCluster]]


class SetClock(SystemClock):
    """Moves on only when told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        """Return the seconds that it is set to."""
        return self.seconds


@pytest.fixture
def clock() -> SetClock:
    """The clock of the readers."""
    return SetClock()


@pytest.fixture
def lists() -> Counter[str]:
    """How often each resource was asked for by readers."""
    return Counter()


@pytest.fixture
def kubectl(cluster: "LocalCluster", request: pytest.FixtureRequest) -> Kubectl:
    """Kubectl in a namespace of this test."""
    return empty_namespace(cluster, request.node.name.removeprefix("test_"))


@pytest.fixture
async def connect(cluster: "LocalCluster", lists: Counter[str]) -> AsyncIterator[Open]:
    """Return a function that connects as a service, by its account."""
    async with AsyncExitStack() as stack:

        async def connected(service: str, form: type[ApiCluster] = ApiCluster) -> ApiCluster:
            made = await form.connect(
                kubeconfig=str(kubeconfigs(cluster)[service]),
                field_manager="tests",
                qps=0,
                burst=1,
                clock=SystemClock(),
                on_request=lambda _verb, resource, _code: lists.update([resource]),
            )
            return await stack.enter_async_context(made)

        yield connected
