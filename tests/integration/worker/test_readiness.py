"""Services on a cluster without our kinds: not ready, with the names, until they are installed."""

import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import need
from tests.support.servers import CRDS, install, kubectl
from tests.support.services import ServiceProcess, Services

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster
    from shared.bus.embedded import EmbeddedServer

Answer = tuple[int, str]


@pytest.fixture
def bare(tmp_path: Path) -> Iterator["LocalCluster"]:
    """A control plane that knows nothing of ours."""
    need.control_plane()
    from deploy.local.cluster import LocalCluster

    with LocalCluster(tmp_path / "local", nodes=0) as running:
        yield running


def test_missing_kinds_are_named_until_they_are_there(
    bare: "LocalCluster", nats_server: "EmbeddedServer", tmp_path: Path
) -> None:
    with Services(
        kubeconfig=bare.kubeconfig, nats_url=nats_server.url, namespace="", logs=tmp_path
    ) as services:
        processes = services.processes.values()
        for process in processes:
            code, body = _until(process, lambda answer: answer[1].count("missing CRD") == 1)
            assert code == 503
            assert "workflowexecutions.workflowexecution.kubernaut.ai" in body
            assert "kubernetesexecutions.kubernetesexecution.kubernaut.ai" in body
            assert _ask(process, "/healthz")[0] == 200

        kubectl(bare.kubeconfig, "apply", "-f", str(CRDS / "workflowexecutions.yaml"))
        for process in processes:
            code, body = _until(process, lambda answer: "workflowexecutions" not in answer[1])
            assert code == 503
            assert "kubernetesexecutions" in body

        install(bare.kubeconfig)
        for process in processes:
            _until(process, lambda answer: answer == (200, "ok\n"))


def test_a_service_without_a_bus_is_ready_and_says_what_it_lacks(
    cluster: "LocalCluster", tmp_path: Path
) -> None:
    services = Services(
        kubeconfig=cluster.kubeconfig,
        nats_url="nats://127.0.0.1:1",
        namespace="default",
        logs=tmp_path,
    )
    process = services.processes["monitor-0"]
    process.start()
    try:
        _, body = _until(process, lambda answer: answer[0] == 200)
    finally:
        process.stop()

    assert body.startswith("ok\nbus-mon: degraded")


def test_nobody_is_ready_before_the_first_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(json.dumps(_config(silent.getsockname()[1])))
        process = ServiceProcess(
            ["-m", "services.planner"],
            environment={
                "MENDFLOW_KUBECONFIG": str(kubeconfig),
                "MENDFLOW_HEALTH_PORT": "0",
                "MENDFLOW_METRICS_PORT": "0",
                "MENDFLOW_LOG_FORMAT": "json",
            },
            log=tmp_path / "planner.log",
        )
        process.start()
        try:
            code, body = _ask(process, "/readyz")
        finally:
            process.kill()

    assert code == 503
    assert "crds-planner" in body


def _config(port: int) -> dict[str, Any]:
    cluster = {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "silent",
        "clusters": [{"name": "silent", "cluster": cluster}],
        "users": [{"name": "silent", "user": {}}],
        "contexts": [{"name": "silent", "context": {"cluster": "silent", "user": "silent"}}],
    }


def _until(process: ServiceProcess, holds: Callable[[Answer], bool]) -> Answer:
    deadline = time.monotonic() + 60
    while True:
        answer = _ask(process, "/readyz")
        if holds(answer):
            return answer
        assert time.monotonic() < deadline, f"{answer}\n{process.log.read_text()}"
        time.sleep(0.1)


def _ask(process: ServiceProcess, path: str) -> Answer:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{_port(process)}{path}") as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def _port(process: ServiceProcess) -> int:
    """Return the port of the probes, which the service chose and logged."""
    deadline = time.monotonic() + 60
    while True:
        for line in process.log.read_text().splitlines():
            if line.startswith("{") and json.loads(line).get("event") == "listening":
                port: int = json.loads(line)["health"]
                return port
        assert time.monotonic() < deadline, process.log.read_text()
        time.sleep(0.1)
