"""What the bare servers need: single writes, the same writes in a row, single messages."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import msgspec
from nats.aio.client import Client
from nats.js.api import RetentionPolicy, StreamConfig

from shared.api.enums import ExecutionKind
from shared.api.execution import KubernetesExecution
from shared.api.groups import DEPLOYMENT, KUBERNETES_EXECUTION, WORKFLOW_EXECUTION
from shared.api.workflow import WorkflowExecution
from shared.kube.apply import to_json
from shared.kube.client import ApiCluster
from shared.kube.port import Object
from shared.workflow.executions import new_execution
from tests.perf.workload import IMAGES, STEPS, target, workload

_STREAM = "BENCH"
_SUBJECT = "bench.raw"


class RawApi:
    """The writes that a workflow needs, by a bare client that waits for nobody."""

    def __init__(self, cluster: ApiCluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace

    async def workflow(self, name: str) -> list[float]:
        """Write what one workflow writes, in a row; return the seconds of each write."""
        cluster, namespace = self._cluster, self._namespace
        await cluster.create(DEPLOYMENT, target(name), namespace=namespace)
        seconds: list[float] = []

        async def write(act: Awaitable[Object]) -> Object:
            began = time.perf_counter()
            answer = await act
            seconds.append(time.perf_counter() - began)
            return answer

        created = await write(
            cluster.create(WORKFLOW_EXECUTION, workload(name), namespace=namespace)
        )
        await write(self._status(name, "planned"))
        for number in range(STEPS):
            await write(self._status(name, f"granted {number}"))
            await write(self._execution(created, number))
            await self._step(name, created, number, write)
            await write(self._status(name, f"judged {number}"))
        await write(self._status(name, "released"))
        return seconds

    async def _step(
        self,
        name: str,
        created: Object,
        number: int,
        write: Callable[[Awaitable[Object]], Awaitable[Object]],
    ) -> None:
        execution = _execution(created, number).metadata.name
        image = {"containers": [{"name": "app", "image": IMAGES[number]}]}
        await write(self._execution_status(execution, "Running"))
        await write(
            self._cluster.patch(
                DEPLOYMENT,
                name,
                {"spec": {"template": {"spec": image}}},
                namespace=self._namespace,
            )
        )
        await write(self._execution_status(execution, "Completed"))

    def _status(self, name: str, message: str) -> Awaitable[Object]:
        return self._cluster.patch(
            WORKFLOW_EXECUTION,
            name,
            {"status": {"message": message}},
            namespace=self._namespace,
            subresource="status",
        )

    def _execution(self, created: Object, number: int) -> Awaitable[Object]:
        body = to_json(_execution(created, number))
        body.pop("status", None)
        kept = ("name", "namespace", "labels", "annotations", "ownerReferences")
        body["metadata"] = {key: body["metadata"][key] for key in kept}
        return self._cluster.create(KUBERNETES_EXECUTION, body, namespace=self._namespace)

    def _execution_status(self, name: str, phase: str) -> Awaitable[Object]:
        return self._cluster.patch(
            KUBERNETES_EXECUTION,
            name,
            {"status": {"phase": phase}},
            namespace=self._namespace,
            subresource="status",
        )


async def deliveries(url: str, count: int) -> list[float]:
    """Return the seconds from a publish to its delivery by a pull consumer, one at a time."""
    client = Client()
    await client.connect(url)
    stream = client.jetstream()
    await stream.add_stream(
        StreamConfig(name=_STREAM, subjects=[_SUBJECT], retention=RetentionPolicy.LIMITS)
    )
    try:
        reader = await stream.pull_subscribe(_SUBJECT, durable="bench")
        found: list[float] = []
        for _ in range(count):
            waiting = asyncio.create_task(reader.fetch(1, timeout=10))
            await asyncio.sleep(0)  # lets the pull go out first, as the services' always has
            began = time.perf_counter()
            await stream.publish(_SUBJECT, b"{}")
            (message,) = await waiting
            found.append(time.perf_counter() - began)
            await message.ack()
        return found
    finally:
        await stream.delete_stream(_STREAM)
        await client.close()


def _execution(created: Object, number: int) -> KubernetesExecution:

    workflow = msgspec.convert(created, WorkflowExecution)
    step = workflow.spec.workflow_definition.steps[number]
    return new_execution(
        workflow,
        step.name,
        action=step.action,
        parameters=step.parameters,
        timeout="5m",
        attempt=1,
        fence=number + 1,
        kind=ExecutionKind.FORWARD,
    )
