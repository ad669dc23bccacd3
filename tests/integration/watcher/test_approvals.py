"""A watcher on real servers rings for requests for approval, under the workflow that waits."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shared.contracts import bell
from tests.support import stored
from tests.support.admission import answer, approval
from tests.support.kubectl import Kubectl
from tests.support.namespaces import empty_namespace
from tests.support.services import ServiceProcess, Services
from tests.support.stored import Stored

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster
    from shared.bus.embedded import EmbeddedServer


@pytest.fixture
def kubectl(cluster: "LocalCluster", request: pytest.FixtureRequest) -> Kubectl:
    """Kubectl in a namespace of this test."""
    return empty_namespace(cluster, request.node.name.removeprefix("test_"))


@pytest.fixture
def watcher(
    cluster: "LocalCluster", nats_server: "EmbeddedServer", kubectl: Kubectl, tmp_path: Path
) -> Iterator[ServiceProcess]:
    """A watcher, which works in this test's namespace and reaches the bus."""
    services = Services(
        kubeconfig=cluster.kubeconfig,
        nats_url=nats_server.url,
        namespace=kubectl.namespace,
        logs=tmp_path,
    )
    process = services.processes["watcher-0"]
    process.start()
    _until(lambda: "streams in place" in process.log.read_text())
    yield process
    process.stop()


@pytest.mark.usefixtures("watcher")
def test_asking_deciding_and_deleting_ring(kubectl: Kubectl, nats_server: "EmbeddedServer") -> None:
    uid = f"uid-of-{kubectl.namespace}"
    body = approval("asked")
    body["spec"]["workflowExecutionRef"]["uid"] = uid

    kubectl.apply(body)
    _until(lambda: len(_bells(nats_server.url, uid)) == 1)
    # Nobody has to act on a text.
    words = ("--subresource=status", "--type=merge", "-p", '{"status":{"message":"on it"}}')
    kubectl.ok("patch", "aiar", "asked", *words)
    as_bob = ("--as=bob", "--as-group=system:masters")
    kubectl.ok("patch", "aiar", "asked", *as_bob, *answer("Approved", "bob"))
    _until(lambda: len(_bells(nats_server.url, uid)) == 2)
    decided = kubectl.get("aiar", "asked")["metadata"]
    kubectl.ok("delete", "aiar", "asked")
    _until(lambda: len(_bells(nats_server.url, uid)) == 3)

    rung = _bells(nats_server.url, uid)
    assert rung[1].headers["Nats-Msg-Id"] == f"{decided['uid']}:{decided['resourceVersion']}"
    assert rung[2].headers["Nats-Msg-Id"].endswith(":deleted")
    for each in rung:
        read = bell.decode(each.data)
        assert (read.uid, read.workflow, read.namespace) == (uid, "fix", kubectl.namespace)


def _bells(url: str, uid: str) -> list[Stored]:
    return [
        each
        for each in stored.messages(url, "WFEVT")
        if each.subject.endswith(f".{uid}.watcher.approval-changed")
    ]


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.1)
