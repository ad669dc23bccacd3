"""The local control plane behaves like a cluster, and leaves nothing behind.

Every test shares one cluster but those that are about its end.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local import (
    ExistingCluster,
    LocalCluster,
    LocalClusterError,
    StartError,
    ensure_binaries,
    ensure_kubectl,
)
from deploy.local.ports import LOOPBACK

# The first one to run may have to build Kubernetes.
pytestmark = pytest.mark.timeout(1800)

COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path_factory.mktemp("local") / "cluster") as running:
        yield running


class Kubectl:
    """kubectl as one user."""

    def __init__(self, kubeconfig: Path) -> None:
        self._program = ensure_kubectl()
        self._kubeconfig = kubeconfig

    def run(self, *words: str, given: object = None) -> subprocess.CompletedProcess[str]:
        """Run a command that may fail."""
        return subprocess.run(
            (self._program, f"--kubeconfig={self._kubeconfig}", *words),
            check=False,
            capture_output=True,
            text=True,
            input=None if given is None else json.dumps(given),
            timeout=60,
        )

    def __call__(self, *words: str, given: object = None) -> str:
        """Run a command that must not fail; returns what it prints."""
        done = self.run(*words, given=given)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def get(self, *words: str) -> Any:
        """Return the JSON of one object or of a list."""
        return json.loads(self("get", *words, "--output=json"))


@pytest.fixture
def kubectl(cluster: LocalCluster) -> Kubectl:
    return Kubectl(cluster.kubeconfig)


@pytest.fixture
def namespace(kubectl: Kubectl, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own, in which pods can be created."""
    # The end of the name tells the cases of one test apart.
    name = re.sub("[^a-z0-9]+", "-", request.node.name.lower())[-50:].strip("-")
    kubectl("create", "namespace", name)
    eventually(lambda: kubectl.run("get", "sa/default", "-n", name).returncode == 0)
    return name


def eventually(condition: Callable[[], bool], *, within_s: float = 30) -> None:
    """Wait for a condition, and fail when it does not come true."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.05)


def pod_template(
    *, annotations: dict[str, str] | None = None, labels: dict[str, str] | None = None
) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"app": "web", **(labels or {})}, "annotations": annotations or {}},
        "spec": {"containers": [{"name": "main", "image": "registry.example/web:1"}]},
    }


def deployment(template: dict[str, Any], *, replicas: int = 3) -> dict[str, Any]:
    selector = {"matchLabels": {"app": "web"}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"replicas": replicas, "selector": selector, "template": template},
    }


def job(template: dict[str, Any]) -> dict[str, Any]:
    template["spec"]["restartPolicy"] = "Never"
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "once"},
        "spec": {"backoffLimit": 0, "template": template},
    }


def listening_ports(cluster: LocalCluster) -> list[int]:
    endpoints = (cluster.server, cluster.etcd_endpoint)
    return [int(endpoint.rpartition(":")[2]) for endpoint in endpoints]


def is_listened_to(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((LOOPBACK, port)) == 0


def is_alive(pid: int) -> bool:
    """Say whether a process exists and is not merely unburied."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def pids(cluster: LocalCluster) -> list[int]:
    found = [cluster.pid(component) for component in COMPONENTS]
    return [pid for pid in found if pid is not None]


def test_three_nodes_are_ready_and_sized_like_servers(kubectl: Kubectl) -> None:
    nodes = kubectl.get("nodes")["items"]

    assert [node["metadata"]["name"] for node in nodes] == ["node-0", "node-1", "node-2"]
    assert {node["status"]["allocatable"]["cpu"] for node in nodes} == {"32"}
    assert not any("taints" in node["spec"] for node in nodes)


def test_a_deployment_becomes_ready_on_several_nodes(kubectl: Kubectl, namespace: str) -> None:
    kubectl("apply", "-n", namespace, "-f-", given=deployment(pod_template()))
    kubectl("rollout", "status", "-n", namespace, "deployment/web", "--timeout=30s")

    pods = kubectl.get("pods", "-n", namespace)["items"]
    assert len(pods) == 3
    assert len({pod["status"]["podIP"] for pod in pods}) == 3
    assert len({pod["spec"]["nodeName"] for pod in pods}) > 1


def test_a_deleted_deployment_takes_its_pods_along(kubectl: Kubectl, namespace: str) -> None:
    kubectl("apply", "-n", namespace, "-f-", given=deployment(pod_template()))
    kubectl("rollout", "status", "-n", namespace, "deployment/web", "--timeout=30s")
    kubectl("delete", "-n", namespace, "deployment/web")

    eventually(lambda: not kubectl.get("pods", "-n", namespace)["items"])


def test_a_job_completes(kubectl: Kubectl, namespace: str) -> None:
    kubectl("apply", "-n", namespace, "-f-", given=job(pod_template()))

    kubectl("wait", "-n", namespace, "job/once", "--for=condition=Complete", "--timeout=30s")


def test_a_job_can_be_made_to_fail(kubectl: Kubectl, namespace: str) -> None:
    template = pod_template(annotations={"mendflow.test/pod": "fail"})
    kubectl("apply", "-n", namespace, "-f-", given=job(template))

    kubectl("wait", "-n", namespace, "job/once", "--for=condition=Failed", "--timeout=30s")


@pytest.mark.parametrize("where", ["annotations", "labels"])
def test_a_rollout_can_be_made_to_hang_and_be_healed(
    kubectl: Kubectl, namespace: str, where: str
) -> None:
    broken = pod_template(**{where: {"mendflow.test/pod": "never-ready"}})
    kubectl("apply", "-n", namespace, "-f-", given=deployment(broken))

    def all_run() -> bool:
        pods = kubectl.get("pods", "-n", namespace)["items"]
        return [pod["status"]["phase"] for pod in pods] == ["Running"] * 3

    eventually(all_run)
    assert "readyReplicas" not in kubectl.get("deployment/web", "-n", namespace)["status"]


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [("fail", "CrashLoopBackOff"), ("image-pull-error", "ImagePullBackOff")],
)
def test_pods_can_be_made_to_misbehave(
    kubectl: Kubectl, namespace: str, behaviour: str, reason: str
) -> None:
    template = pod_template(annotations={"mendflow.test/pod": behaviour})
    kubectl("apply", "-n", namespace, "-f-", given=deployment(template, replicas=1))
    path = "{.items[*].status.containerStatuses[*].state.waiting.reason}"

    eventually(
        lambda: kubectl("get", "pods", "-n", namespace, f"--output=jsonpath={path}") == reason
    )


def test_containers_have_written_what_is_in_the_file_of_their_name(
    kubectl: Kubectl, namespace: str
) -> None:
    template = pod_template()
    named = template["spec"]["containers"][0] | {"name": "hostile"}
    template["spec"]["containers"].append(named)
    kubectl("apply", "-n", namespace, "-f-", given=job(template))
    kubectl("wait", "-n", namespace, "job/once", "--for=condition=Complete", "--timeout=30s")

    logs = kubectl("logs", "-n", namespace, "job/once", "--all-containers", "--prefix")

    assert re.search(r"/hostile\] login with password=hunter2$", logs, re.MULTILINE)
    assert logs.count("hello from a fake container") == 1


def test_a_healed_pod_becomes_ready(kubectl: Kubectl, namespace: str) -> None:
    template = pod_template(annotations={"mendflow.test/pod": "never-ready"})
    kubectl("apply", "-n", namespace, "-f-", given=deployment(template, replicas=1))
    eventually(lambda: "Running" in kubectl("get", "pods", "-n", namespace))

    kubectl("annotate", "-n", namespace, "pods", "--all", "mendflow.test/pod-")

    kubectl("rollout", "status", "-n", namespace, "deployment/web", "--timeout=30s")


def test_a_user_has_the_rights_that_are_bound_and_no_others(
    cluster: LocalCluster, kubectl: Kubectl, namespace: str
) -> None:
    alice = Kubectl(cluster.kubeconfig_for("alice", groups=("viewers",)))

    refused = alice.run("get", "pods", "-n", namespace)
    assert refused.returncode != 0
    assert "Forbidden" in refused.stderr
    kubectl("create", "rolebinding", "v", "-n", namespace, "--clusterrole=view", "--group=viewers")
    eventually(lambda: alice.run("get", "pods", "-n", namespace).returncode == 0)
    assert alice.run("create", "configmap", "c", "-n", namespace).returncode != 0


def test_nobody_gets_in_without_a_certificate(cluster: LocalCluster, tmp_path: Path) -> None:
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["users"][0]["user"] = {}
    stranger = tmp_path / "stranger"
    stranger.write_text(yaml.safe_dump(config))

    answer = Kubectl(stranger).run("get", "--raw=/version")

    assert answer.returncode != 0


def test_writes_are_audited_with_their_author(
    cluster: LocalCluster, kubectl: Kubectl, namespace: str
) -> None:
    kubectl("apply", "-n", namespace, "-f-", given=deployment(pod_template(), replicas=0))
    kubectl("create", "secret", "generic", "s", "-n", namespace, "--from-literal=key=hush")

    lines = map(json.loads, cluster.audit_log.read_text().splitlines())
    entries = [line for line in lines if line["objectRef"].get("namespace") == namespace]
    write = next(line for line in entries if line["objectRef"]["resource"] == "deployments")
    assert write["user"]["username"] == "admin"
    assert write["requestObject"]["metadata"]["name"] == "web"
    secret = next(line for line in entries if line["objectRef"]["resource"] == "secrets")
    assert "requestObject" not in secret
    assert not any(line["verb"] in {"get", "list", "watch"} for line in entries)


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_killed_component_comes_back_with_all_data(
    cluster: LocalCluster, kubectl: Kubectl, namespace: str, component: str
) -> None:
    kubectl("create", "configmap", "kept", "-n", namespace, "--from-literal=key=value")
    before = cluster.server

    cluster.kill(component)
    assert cluster.pid(component) is None
    cluster.restart(component)

    assert cluster.server == before
    eventually(lambda: kubectl.run("get", "nodes").returncode == 0)
    assert kubectl.get("configmap/kept", "-n", namespace)["data"] == {"key": "value"}
    # That controllers, scheduler and kwok still work together is what this shows.
    kubectl("apply", "-n", namespace, "-f-", given=deployment(pod_template()))
    kubectl("rollout", "status", "-n", namespace, "deployment/web", "--timeout=60s")


def test_a_scheduler_that_ends_by_itself_is_started_again(
    cluster: LocalCluster, kubectl: Kubectl, namespace: str
) -> None:
    first = cluster.pid("kube-scheduler")
    assert first is not None

    os.kill(first, signal.SIGKILL)

    eventually(lambda: cluster.pid("kube-scheduler") not in {None, first})
    kubectl("apply", "-n", namespace, "-f-", given=deployment(pod_template()))
    kubectl("rollout", "status", "-n", namespace, "deployment/web", "--timeout=60s")


def test_a_frozen_component_thaws(cluster: LocalCluster, kubectl: Kubectl) -> None:
    cluster.kill("kube-apiserver", signal.SIGSTOP)
    refused = kubectl.run("get", "nodes", "--request-timeout=1s")
    cluster.kill("kube-apiserver", signal.SIGCONT)

    assert refused.returncode != 0
    eventually(lambda: kubectl.run("get", "nodes").returncode == 0)


def test_an_unknown_component_is_refused_by_name(cluster: LocalCluster) -> None:
    with pytest.raises(LocalClusterError, match="no component is called 'kubelet'"):
        cluster.kill("kubelet")


def test_an_existing_cluster_is_reached_by_its_context_only(
    cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))

    with ExistingCluster("mendflow-local", work_dir=tmp_path) as existing:
        assert existing.server == cluster.server
        assert len(Kubectl(existing.kubeconfig).get("nodes")["items"]) == 3
    with pytest.raises(LocalClusterError, match="no-such"):
        ExistingCluster("no-such", work_dir=tmp_path).start()


def test_stop_leaves_no_process_no_port_and_no_data(tmp_path: Path) -> None:
    cluster = LocalCluster(tmp_path / "cluster", nodes=1)
    cluster.start()
    running, ports = pids(cluster), listening_ports(cluster)
    assert len(running) == len(COMPONENTS)

    cluster.stop()

    assert not any(map(is_alive, running))
    assert not any(map(is_listened_to, ports))
    left = {path.name for path in (tmp_path / "cluster").iterdir()}
    assert left == {".mendflow-cluster", "logs", "audit.log"}


def test_kept_data_is_there_after_the_next_start(tmp_path: Path) -> None:
    with LocalCluster(tmp_path / "cluster", nodes=1, keep=True, audit=False) as first:
        Kubectl(first.kubeconfig)("create", "configmap", "kept")
    with LocalCluster(tmp_path / "cluster", nodes=1, keep=True, audit=False) as second:
        Kubectl(second.kubeconfig).get("configmap/kept")


def test_a_component_that_cannot_start_is_named_with_its_last_words(tmp_path: Path) -> None:
    cluster = LocalCluster(tmp_path / "cluster", apiserver_flags=("--no-such-flag",))

    with pytest.raises(StartError) as caught:
        cluster.start()

    assert "kube-apiserver ended with code 1" in str(caught.value)
    assert "unknown flag: --no-such-flag" in str(caught.value)
    assert "What to do" in str(caught.value)
    cluster.stop()


def start_in_foreground(work_dir: Path) -> subprocess.Popen[str]:
    """Run `up` as a user would, and return when it says that the cluster is ready."""
    ensure_binaries()
    command: Sequence[str] = (sys.executable, "-m", "deploy.local", "up", "--dir", str(work_dir))
    process = subprocess.Popen(
        command,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONWARNINGS": "error"},
        process_group=0,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert "ready" in process.stdout.readline()
    return process


def children_of(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_nothing_outlives_the_command_however_it_ends(
    tmp_path: Path, number: signal.Signals
) -> None:
    with start_in_foreground(tmp_path / "cluster") as process:
        children = children_of(process.pid)
        assert len(children) == len(COMPONENTS)

        process.send_signal(number)
        process.wait(30)

    eventually(lambda: not any(map(is_alive, children)), within_s=5)
