"""A service as a process: it says in one sentence why it cannot start, and stops cleanly."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.servers import ROOT
from tests.support.services import NAMES, Services

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster
    from shared.bus.embedded import EmbeddedServer

PORTS = {"MENDFLOW_HEALTH_PORT": "0", "MENDFLOW_METRICS_PORT": "0"}


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        env=os.environ | PORTS | environment,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
    )


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", NAMES)
def test_a_service_without_access_to_a_cluster_says_how_to_get_it(name: str) -> None:
    done = _run(f"services.{name}")

    assert done.returncode == 1
    assert _last_line(done).startswith("error: no access to an API server")
    assert "MENDFLOW_KUBECONFIG" in _last_line(done)


def test_a_kubeconfig_that_does_not_exist_is_named(tmp_path: Path) -> None:
    done = _run("services.planner", MENDFLOW_KUBECONFIG=str(tmp_path / "absent"))

    assert done.returncode == 1
    assert str(tmp_path / "absent") in _last_line(done)


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        done = _run("services.planner", MENDFLOW_METRICS_PORT=str(port))

    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in _last_line(done)


def test_a_misspelt_setting_stops_the_start() -> None:
    done = _run("services.planner", MENDFLOW_NATS_ULR="nats://127.0.0.1:1")

    assert done.returncode == 2
    assert "MENDFLOW_NATS_URL" in _last_line(done)


def test_help_lists_every_setting_with_its_default() -> None:
    done = _run("services.executor", "--help")

    assert done.returncode == 0
    assert "MENDFLOW_RESYNC_S=30.0" in done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_each_service_has_a_command_of_its_own(name: str) -> None:
    command = Path(sys.executable).parent / f"mendflow-{name}"

    done = subprocess.run(
        [command, "--print-settings"], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "MENDFLOW_RESYNC_S=30.0" in done.stdout


def test_services_stop_when_asked_to(
    cluster: "LocalCluster", nats_server: "EmbeddedServer", tmp_path: Path
) -> None:
    services = Services(
        kubeconfig=cluster.kubeconfig, nats_url=nats_server.url, namespace="default", logs=tmp_path
    )
    with services:
        services.wait_connected()
        codes = {name: process.end(signal.SIGTERM) for name, process in services.processes.items()}

    assert set(codes.values()) == {0}, codes
    for process in services.processes.values():
        assert '"stopped"' in process.log.read_text()
        assert "Traceback" not in process.log.read_text()
