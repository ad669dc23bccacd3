"""Ports, nodes, error texts and child processes."""

import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from deploy.local import ports
from deploy.local.errors import describe_start_failure, tail
from deploy.local.nodes import is_usable, render_node
from deploy.local.ports import CHOICES, NoFreePortError, choose_free_ports
from deploy.local.process import Component


def test_chosen_ports_are_free_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda port: port % 2 == 0)

    chosen = choose_free_ports(50)

    assert len(set(chosen)) == 50
    assert all(port % 2 == 0 and port in CHOICES for port in chosen)


def test_that_no_port_is_free_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda port: port == CHOICES.start)

    with pytest.raises(NoFreePortError, match="fewer than 2"):
        choose_free_ports(2)


def test_nodes_share_no_address() -> None:
    nodes = [render_node(index) for index in range(100)]

    assert len({node["metadata"]["name"] for node in nodes}) == 100
    assert len({node["spec"]["podCIDR"] for node in nodes}) == 100
    assert len({node["status"]["addresses"][0]["address"] for node in nodes}) == 100


@pytest.mark.parametrize(
    ("conditions", "taints", "usable"),
    [
        pytest.param([], [], False, id="nothing known"),
        pytest.param([{"type": "Ready", "status": "False"}], [], False, id="not ready"),
        pytest.param([{"type": "Ready", "status": "True"}], [], True, id="ready"),
        pytest.param([{"type": "Ready", "status": "True"}], [{"key": "x"}], False, id="tainted"),
    ],
)
def test_a_node_is_usable_when_pods_can_be_scheduled(
    conditions: list[dict[str, str]], taints: list[dict[str, str]], *, usable: bool
) -> None:
    node: dict[str, Any] = {"spec": {"taints": taints}, "status": {"conditions": conditions}}

    assert is_usable(node) is usable


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        pytest.param("listen: address already in use", "new ports", id="port taken"),
        pytest.param("write: no space left on device", "free some space", id="disk full"),
        pytest.param("Error: unknown flag: --x", "KUBEBUILDER_ASSETS", id="other version"),
        pytest.param("panic", "read all of", id="unknown"),
    ],
)
def test_a_failed_start_says_what_to_do(tmp_path: Path, line: str, advice: str) -> None:
    log = tmp_path / "etcd.log"
    log.write_text(f"{line}\n")

    text = describe_start_failure(component="etcd", what="died", log=log)

    assert text.startswith("etcd died")
    assert line in text
    assert advice in text


def test_only_the_end_of_a_log_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(100)))

    assert tail(log).splitlines() == [f"line {number}" for number in range(80, 100)]
    assert tail(tmp_path / "none") == "(no log)"


def test_a_component_starts_stops_and_starts_again(tmp_path: Path) -> None:
    component = Component("sleep", command=("/bin/sleep", "60"), log=tmp_path / "log")

    component.start()
    first = component.pid
    component.ask_to_stop()
    component.finish(within_s=1)
    assert not component.is_running()
    component.start()

    assert component.is_running()
    assert component.pid != first
    component.send(signal.SIGKILL)
    component.finish(within_s=1)
    assert component.exit_code == -signal.SIGKILL


def test_a_component_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); "
    component = Component(
        "deaf", command=(sys.executable, "-c", script + "time.sleep(60)"), log=log
    )
    component.start()
    deadline = time.monotonic() + 1.5
    while "up" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.01)

    component.ask_to_stop()
    component.finish(within_s=0.1)

    assert component.exit_code == -signal.SIGKILL
