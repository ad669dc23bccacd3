"""A running service follows the ConfigMaps of limits, and begins with what stands in them."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from shared.api.groups import CONFIG_MAP, Kind
from shared.contracts.subjects import Service
from shared.kube.client import ApiCluster
from shared.kube.port import Listing
from shared.limits import LIMITS_CONFIG_MAP, TIMEOUTS_CONFIG_MAP
from shared.settings import Settings
from shared.worker.context import Context
from shared.worker.running import Process
from tests.support.kubectl import Kubectl, Object, eventually
from tests.support.namespaces import empty_namespace
from tests.support.rights import SYSTEM, kubeconfigs
from tests.support.services import ServiceProcess, Services
from tests.support.workflows import notify, workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster
    from shared.bus.embedded import EmbeddedServer

WITHIN_S: Final = 60


@pytest.fixture
def kubectl(cluster: "LocalCluster", request: pytest.FixtureRequest) -> Kubectl:
    """Kubectl in a namespace of this test, where its ConfigMaps are too."""
    return empty_namespace(cluster, request.node.name.removeprefix("test_"))


@pytest.fixture
def planner(
    cluster: "LocalCluster", nats_server: "EmbeddedServer", kubectl: Kubectl, tmp_path: Path
) -> Iterator[ServiceProcess]:
    """A running planner, with a threshold of its own in its environment."""
    services = Services(
        kubeconfig=cluster.kubeconfig,
        nats_url=nats_server.url,
        namespace=kubectl.namespace,
        logs=tmp_path,
        environment={
            "MENDFLOW_SYSTEM_NAMESPACE": kubectl.namespace,
            "COMPLEXITY_APPROVAL_THRESHOLD": "3",
        },
    )
    process = services.processes["planner-0"]
    process.start()
    yield process
    process.stop()


def test_row_31_a_running_service_follows_its_config_maps(
    kubectl: Kubectl, planner: ServiceProcess
) -> None:
    parallel, times = {"max-parallel-steps": "7"}, {"approval-timeout": "1m"}
    _configure(kubectl, LIMITS_CONFIG_MAP, {"complexity-approval-threshold": "50", **parallel})
    _configure(kubectl, TIMEOUTS_CONFIG_MAP, times)
    _until_changed(planner, [["max_parallel_steps: 5 -> 7"], ["approval_timeout: 900s -> 60s"]])

    wrong = {"approval-timeout": "99999999999h", "planning-timeout": "5 minutes"}
    _configure(kubectl, TIMEOUTS_CONFIG_MAP, {**wrong, "max-steps": "50"})
    _until_changed(planner, [["max_steps: 100 -> 50"]])
    _configure(kubectl, LIMITS_CONFIG_MAP, {"max-parallel-steps": "0", "max-steps": "9"})
    eventually(lambda: _events(kubectl), lambda found: LIMITS_CONFIG_MAP in found)
    _configure(kubectl, LIMITS_CONFIG_MAP, {"max-parallel-steps": "8", "max-steps": "9"})
    _until_changed(planner, [["max_parallel_steps: 7 -> 8"]])

    kubectl.ok("delete", "configmap", TIMEOUTS_CONFIG_MAP)
    _until_changed(planner, [["approval_timeout: 60s -> 900s", "max_steps: 50 -> 9"]])
    kubectl.ok("delete", "configmap", LIMITS_CONFIG_MAP)
    _until_changed(planner, [["max_parallel_steps: 8 -> 5", "max_steps: 9 -> 100"]])

    told = _events(kubectl)
    assert told[TIMEOUTS_CONFIG_MAP] == (
        "approval-timeout: '99999999999h' is no duration; write it like 90s, 5m or 1h30m; "
        "60s stays in force; planning-timeout: '5 minutes' is no duration; "
        "write it like 90s, 5m or 1h30m; 30s stays in force"
    )
    assert told[LIMITS_CONFIG_MAP] == (
        "max-parallel-steps: '0' must be from 1 to 10000; 7 stays in force"
    )


def test_row_31_a_service_without_the_right_to_read_them_works_with_its_defaults(
    cluster: "LocalCluster", nats_server: "EmbeddedServer", kubectl: Kubectl, tmp_path: Path
) -> None:
    _configure(kubectl, LIMITS_CONFIG_MAP, {"max-parallel-steps": "7"})
    services = Services(
        kubeconfig=cluster.kubeconfig,
        kubeconfigs=kubeconfigs(cluster),  # their rights to ConfigMaps are in another namespace
        nats_url=nats_server.url,
        namespace=kubectl.namespace,
        logs=tmp_path,
        environment={"MENDFLOW_SYSTEM_NAMESPACE": kubectl.namespace},
    )
    process = services.processes["planner-0"]
    process.start()
    try:
        kubectl.apply(workflow("w", [notify("a")]))
        kubectl.wait_phase("w", "Executing")
        account = f"{SYSTEM}:mendflow-planner"
        kubectl.ok("create", "role", "reader", "--verb=list,watch", "--resource=configmaps")
        kubectl.ok("create", "rolebinding", "r", "--role=reader", f"--serviceaccount={account}")
        _until_changed(process, [["max_parallel_steps: 5 -> 7"]])
    finally:
        process.stop()

    assert [line["reason"] for line in _said(process, "cannot watch")] == ["Forbidden"]


class HeldCluster(ApiCluster):
    """An API server whose answer about ConfigMaps takes as long as the test wants."""

    asked: asyncio.Event
    may_answer: asyncio.Event

    async def list(self, kind: Kind, *, namespace: str = "", label_selector: str = "") -> Listing:
        """Keep whoever asks for ConfigMaps waiting."""
        if kind == CONFIG_MAP:
            self.asked.set()
            await self.may_answer.wait()
        return await super().list(kind, namespace=namespace, label_selector=label_selector)


class Begun:
    """A service that only remembers the limit it began with."""

    def __init__(self, context: Context, begun: asyncio.Queue[int]) -> None:
        self._context = context
        self._begun = begun

    async def run(self) -> None:
        self._begun.put_nowait(self._context.limits.current.approval_threshold)
        await asyncio.Event().wait()

    def resync_now(self) -> None:
        """Nothing is walked over here."""


async def test_row_31_nothing_is_decided_before_the_limits_are_read(
    cluster: "LocalCluster",
    nats_server: "EmbeddedServer",
    kubectl: Kubectl,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _configure(kubectl, LIMITS_CONFIG_MAP, {"complexity-approval-threshold": "2"})
    HeldCluster.asked, HeldCluster.may_answer = asyncio.Event(), asyncio.Event()
    monkeypatch.setattr("shared.worker.running.ApiCluster", HeldCluster)
    settings = Settings(
        kubeconfig=str(cluster.kubeconfig),
        nats_url=nats_server.url,
        namespace=kubectl.namespace,
        system_namespace=kubectl.namespace,
    )
    process, begun = Process(settings), asyncio.Queue[int]()
    running = asyncio.create_task(
        process._run_service(Service.PLANNER, lambda context: Begun(context, begun))
    )

    async with asyncio.timeout(WITHIN_S):
        await HeldCluster.asked.wait()
        HeldCluster.may_answer.set()
        assert await begun.get() == 2
        process._stopping.set()
        await running


def _configure(kubectl: Kubectl, name: str, data: Mapping[str, Any]) -> None:
    kubectl.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
    )


def _until_changed(process: ServiceProcess, changes: list[list[str]]) -> None:
    """Wait until a service has said, last of all, that these limits changed, in any order."""

    def said() -> list[list[str]]:
        return [line["changes"] for line in _said(process, "limits changed")]

    eventually(said, lambda all_: sorted(all_[-len(changes) :]) == sorted(changes))


def _said(process: ServiceProcess, event: str) -> list[Object]:
    whole, _, _ = process.log.read_text().rpartition("\n")
    lines = [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def _events(kubectl: Kubectl) -> Object:
    found = [each for each in kubectl.items("events") if each["reason"] == "InvalidLimit"]
    return {each["involvedObject"]["name"]: each["message"] for each in found}
