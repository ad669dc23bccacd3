"""The client's own limit, on a real API server."""

import asyncio
from typing import TYPE_CHECKING, Final

from shared.api.groups import WORKFLOW_EXECUTION
from shared.clock import SystemClock
from shared.kube.client import ApiCluster
from tests.support.kubectl import Kubectl

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

QPS: Final = 20
BURST: Final = 30
REQUESTS: Final = 50


async def test_row_34_at_most_20_requests_a_second_after_a_burst_of_30(
    cluster: "LocalCluster", kubectl: Kubectl
) -> None:
    clock = SystemClock()
    client = await ApiCluster.connect(
        kubeconfig=str(cluster.kubeconfig),
        field_manager="tests",
        qps=QPS,
        burst=BURST,
        clock=clock,
    )
    answered: list[float] = []

    async def request() -> None:
        await client.read(WORKFLOW_EXECUTION, "none", namespace=kubectl.namespace)
        answered.append(clock.monotonic() - began)

    async with client:
        began = clock.monotonic()
        await asyncio.gather(*(request() for _ in range(REQUESTS)))

    for number, when_s in enumerate(sorted(answered), start=1):
        assert when_s >= (number - BURST) / QPS
