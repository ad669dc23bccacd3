"""Postconditions on a real API server, with the rounds rung by the timers of a real NATS server.

The walk is too slow to do the rounds. The test plans, and decides what holds.
"""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import pytest

from cli.all_in_one import ALL
from services.monitor.service import Monitor
from shared.api.workflow import WorkflowExecution
from shared.bus.embedded import EmbeddedServer
from shared.contracts.subjects import Service
from shared.kube.apply import to_json
from shared.kube.objects import decoded
from shared.settings import Settings
from shared.worker.context import Context
from shared.worker.running import Build, Process
from tests.support.builders import planned
from tests.support.kubectl import Kubectl, Object
from tests.support.monitored import Switched
from tests.support.namespaces import fresh_namespace
from tests.support.workflows import notify, scale, workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

WITHIN_S: Final = 60


@pytest.fixture
def kubectl(cluster: "LocalCluster", request: pytest.FixtureRequest) -> Kubectl:
    """Kubectl in a namespace of this test, with the Deployments web and api in it."""
    return fresh_namespace(cluster, request.node.name.removeprefix("test_row_"))


@pytest.fixture
async def switched(
    cluster: "LocalCluster", nats_server: EmbeddedServer, kubectl: Kubectl
) -> AsyncIterator[Switched]:
    """All services at work, and what decides whether conditions hold."""
    settings = Settings(
        kubeconfig=str(cluster.kubeconfig),
        nats_url=nats_server.url,
        namespace=kubectl.namespace,
        system_namespace=kubectl.namespace,
        resync_s=10,
        qps=0,
    )
    checker = Switched()

    def monitor(context: Context) -> Monitor:
        return Monitor(dataclasses.replace(context, checker=checker))

    services: dict[Service, Build] = {**ALL, Service.MONITOR: monitor}
    del services[Service.PLANNER]
    async with _running(settings, services):
        yield checker


async def test_row_83_dependents_wait_until_a_condition_comes_true(
    switched: Switched, kubectl: Kubectl
) -> None:
    await _apply(kubectl, workflow("w", [_verified("a", "web", timeout="60s"), notify("b", "a")]))

    waiting = await _until(kubectl, lambda steps: _attempts(steps["a"]) >= 4)
    assert waiting["a"]["phase"] == "Verifying"
    assert waiting["b"]["phase"] == "Pending"
    assert len(kubectl.items("kex")) == 1
    switched.holding.add("ready")
    done = await _until(kubectl, lambda steps: steps["b"]["phase"] == "Completed")

    assert done["a"]["phase"] == "Completed"
    (result,) = done["a"]["postConditionResults"]
    assert (result["passed"], result["attempts"]) == (True, len(switched.looks))
    assert done["a"]["completionTime"] <= done["b"]["startTime"]


async def test_row_84_a_condition_that_never_holds_starts_the_rollback(
    switched: Switched, kubectl: Kubectl
) -> None:
    del switched
    steps = [scale("o", "api", 3), _verified("a", "web", "o", timeout="3s")]
    await _apply(kubectl, workflow("w", steps, rollback="Automatic"))

    done = await asyncio.to_thread(kubectl.wait_phase, "w", "RolledBack", seconds=WITHIN_S)

    failed = next(step for step in done["status"]["steps"] if step["name"] == "a")
    assert (failed["phase"], failed["errorType"]) == ("Failed", "postcondition_failed")
    assert failed["message"].startswith("postcondition ready not met within 3s")
    assert done["status"]["failedStep"] == "a"
    (said,) = (c for c in done["status"]["conditions"] if c["type"] == "PostconditionsFailed")
    assert said["status"] == "True"
    undone = [step["name"] for step in done["status"]["rollback"]["steps"]]
    assert undone == ["a", "o"]
    assert kubectl.get("deployment", "api")["spec"]["replicas"] == 2
    assert kubectl.get("deployment", "web")["spec"]["replicas"] == 2


def _verified(name: str, target: str, *needs: str, timeout: str) -> Object:
    ready = {"type": "ready", "description": "it is ready", "timeout": timeout}
    return scale(name, target, 4, *needs) | {"postConditions": [ready]}


def _attempts(step: Object) -> int:
    return sum(result["attempts"] for result in step.get("postConditionResults", []))


async def _apply(kubectl: Kubectl, body: Object) -> None:
    await asyncio.to_thread(_planned, kubectl, body)


def _planned(kubectl: Kubectl, body: Object) -> None:
    """Apply a workflow together with its plan."""
    kubectl.apply(body)
    fresh = decoded(kubectl.get("wfe", "w"), WorkflowExecution)
    patch = json.dumps({"status": to_json(planned(fresh).status)})
    kubectl.ok("patch", "wfe", "w", "--subresource=status", "--type=merge", "-p", patch)


async def _until(kubectl: Kubectl, holds: Callable[[dict[str, Object]], bool]) -> dict[str, Object]:
    """Return the steps of the workflow by name once they are as wanted."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            found = await asyncio.to_thread(kubectl.get, "wfe", "w")
            steps = {step["name"]: step for step in found.get("status", {}).get("steps", [])}
            if steps and holds(steps):
                return steps


@asynccontextmanager
async def _running(settings: Settings, services: Mapping[Service, Build]) -> AsyncIterator[None]:
    process = Process(settings)
    async with process._engine:
        tasks = [
            asyncio.create_task(process._run_service(service, build))
            for service, build in services.items()
        ]
        yield
        process._stopping.set()
        async with asyncio.timeout(WITHIN_S):
            await asyncio.gather(*tasks)
