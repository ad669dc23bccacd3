"""A namespace that lets restricted pods in only, and runners of Jobs in it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import msgspec
import pytest

from services.executor.held import HeldClaim
from services.executor.jobs import JobRunner
from services.executor.ledger import LedgerCluster
from services.executor.stop import Stop
from shared.api.execution import KubernetesExecution
from shared.api.groups import JOB, KUBERNETES_EXECUTION, POD, POD_TEMPLATE, Kind
from shared.api.parameters import Custom, FailoverDatabase
from shared.clock import SystemClock
from shared.kube.client import ApiCluster
from shared.kube.store import ExecutionStore
from tests.support.jobs import FAILOVER, Object, claim_of
from tests.support.kubectl import Kubectl
from tests.support.namespaces import empty_namespace

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

IMAGE: Final = f"registry.example/tools@sha256:{'0' * 64}"


class Ground:
    """One namespace, with what the Jobs in it need."""

    def __init__(self, api: ApiCluster, kubectl: Kubectl) -> None:
        self.api = api
        self.namespace = kubectl.namespace
        self._executions = ExecutionStore(api)

    async def template(self, body: Object) -> Object:
        """Create a PodTemplate."""
        return await self.api.create(POD_TEMPLATE, body, namespace=self.namespace)

    async def claim(
        self,
        step: str,
        parameters: FailoverDatabase | Custom = FAILOVER,
        *,
        longest: str = "5m",
        dry_run: bool = False,
    ) -> KubernetesExecution:
        """Create an execution and return it as it is under our claim."""
        wanted = claim_of(parameters, step=step, timeout=longest)
        # Its workflow is not there: as its owner, it would take the execution along.
        meta = msgspec.structs.replace(
            wanted.metadata, namespace=self.namespace, owner_references=[]
        )
        spec = msgspec.structs.replace(wanted.spec, dry_run=dry_run)
        made = await self._executions.create(
            msgspec.structs.replace(wanted, metadata=meta, spec=spec)
        )
        status = msgspec.structs.replace(wanted.status, start_time=SystemClock().now())
        return await self._executions.write_status(made, status)

    def runner(
        self, claim: KubernetesExecution, *, stop: Stop | None = None, seconds: float = 60
    ) -> JobRunner:
        """Return who runs the Job of a claim."""
        clock, held = SystemClock(), HeldClaim(self._executions, claim)
        return JobRunner(
            LedgerCluster(self.api, held),
            held,
            clock=clock,
            deadline=clock.now() + timedelta(seconds=seconds),
            stop=stop or Stop(),
            image=IMAGE,
        )

    async def jobs(self, claim: KubernetesExecution) -> list[Object]:
        """Return the Jobs of an execution."""
        return await self._of(JOB, claim)

    async def pods(self, claim: KubernetesExecution) -> list[Object]:
        """Return the pods of an execution."""
        return await self._of(POD, claim)

    async def until_running(self, claim: KubernetesExecution) -> Object:
        """Wait for the first pod that runs, and return its Job."""
        for _ in range(300):
            if any(each["status"]["phase"] == "Running" for each in await self.pods(claim)):
                break
            await asyncio.sleep(0.1)
        (job,) = await self.jobs(claim)
        return job

    async def clear(self) -> None:
        """Delete all executions: services that start later would miss their workflow."""
        found = await self.api.list(KUBERNETES_EXECUTION, namespace=self.namespace)
        for each in found.items:
            meta = each["metadata"]
            await self.api.delete(
                KUBERNETES_EXECUTION, meta["name"], namespace=self.namespace, uid=meta["uid"]
            )

    async def _of(self, kind: Kind, claim: KubernetesExecution) -> list[Object]:
        selector = f"kubernaut.ai/execution={claim.metadata.name}"
        listing = await self.api.list(kind, namespace=self.namespace, label_selector=selector)
        return listing.items


@pytest.fixture(scope="module")
def space(cluster: "LocalCluster", request: pytest.FixtureRequest) -> Kubectl:
    """Kubectl in a namespace of the module, where pods have to be restricted."""
    kubectl = empty_namespace(cluster, f"executor-jobs-{request.path.stem.removeprefix('test_')}")
    label = "pod-security.kubernetes.io/enforce=restricted"
    kubectl.ok("label", "namespace", kubectl.namespace, label)
    kubectl.ok("create", "serviceaccount", "mendflow-job")
    return kubectl


@pytest.fixture
async def ground(cluster: "LocalCluster", space: Kubectl) -> AsyncIterator[Ground]:
    """The namespace, over a connection of this test."""
    made = await ApiCluster.connect(
        kubeconfig=str(cluster.kubeconfig),
        field_manager="tests",
        qps=0,
        burst=1,
        clock=SystemClock(),
    )
    async with made as api:
        ground = Ground(api, space)
        yield ground
        await ground.clear()
