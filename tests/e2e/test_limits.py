"""Limits from ConfigMaps: in force without a restart, and never by a value without sense."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.limits import LIMITS_CONFIG_MAP
from tests.support.kubectl import Kubectl, Object, eventually
from tests.support.namespaces import empty_namespace
from tests.support.services import Services
from tests.support.watching import ExecutionWatch
from tests.support.workflows import deployment, wait_available, workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster
    from shared.bus.embedded import EmbeddedServer

STEPS = [f"s{number}" for number in range(8)]


def test_row_31_limits_change_while_a_workflow_runs(
    cluster: "LocalCluster", nats_server: "EmbeddedServer", tmp_path: Path
) -> None:
    kubectl = empty_namespace(cluster, "live-limits")
    services = Services(
        kubeconfig=cluster.kubeconfig,
        nats_url=nats_server.url,
        namespace=kubectl.namespace,
        logs=tmp_path,
        environment={"MENDFLOW_SYSTEM_NAMESPACE": kubectl.namespace},
    )
    with services, ExecutionWatch(kubectl) as watch:
        _configure(kubectl, {"max-parallel-steps": "2"})
        _until_said(services, "max_parallel_steps: 5 -> 2")
        kubectl.apply(workflow("eight", [wait_available(name, f"t-{name}") for name in STEPS]))
        _until(watch, lambda: len(watch.created) == 2)

        _configure(kubectl, {"max-parallel-steps": "4"})
        _until(watch, lambda: len(watch.created) == 4)

        _configure(kubectl, {"max-parallel-steps": "0"})
        refused = eventually(lambda: _events(kubectl), bool)[0]
        _configure(kubectl, {"max-parallel-steps": "1"})
        _until_said(services, "max_parallel_steps: 4 -> 1")
        _finish(kubectl, "s0", "s1", "s2")
        eventually(lambda: _active(kubectl), lambda active: active == 1)
        assert len(watch.created) == 4

        raised = {"spec": {"executionStrategy": {"maxParallelSteps": 3}}}
        kubectl.ok("patch", "wfe", "eight", "--type=merge", "-p", json.dumps(raised))
        kubectl.ok("delete", "configmap", LIMITS_CONFIG_MAP)
        _until(watch, lambda: len(watch.created) == 6)
        _finish(kubectl, *STEPS[3:])
        done = kubectl.wait_phase("eight", "Completed", "Failed")

    assert "max-parallel-steps: '0' must be from 1 to" in refused["message"]
    assert "4 stays in force" in refused["message"]
    assert done["status"]["phase"] == "Completed"
    assert max(watch.samples) == 4


def _configure(kubectl: Kubectl, data: dict[str, Any]) -> None:
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": LIMITS_CONFIG_MAP},
            "data": data,
        }
    )


def _events(kubectl: Kubectl) -> list[Object]:
    return [each for each in kubectl.items("events") if each["reason"] == "InvalidLimit"]


def _until_said(services: Services, words: str) -> None:
    log = services.processes["orchestrator-0"].log
    eventually(log.read_text, lambda text: words in text)


def _finish(kubectl: Kubectl, *steps: str) -> None:
    for step in steps:
        kubectl.apply(deployment(f"t-{step}"))


def _active(kubectl: Kubectl) -> int:
    found: int = kubectl.get("wfe", "eight")["status"]["activeSteps"]
    return found


def _until(watch: ExecutionWatch, holds: Callable[[], bool]) -> None:
    eventually(lambda: {"created": watch.created}, lambda _: holds())
