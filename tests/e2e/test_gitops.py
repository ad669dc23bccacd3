"""What a GitOps tool owns is refused, or, if so configured, changed with a note."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from shared.limits import LIMITS_CONFIG_MAP
from tests.support.kubectl import Kubectl, Object, eventually
from tests.support.services import Services
from tests.support.workflows import image, scale, workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster
    from shared.bus.embedded import EmbeddedServer

NOTE: Final = (
    "safety_gitops.rego: Argo CD owns the target, and may take this change back: change it in"
    " Git too"
)
JUDGING: Final = ("orchestrator-0", "rollback-0")


@pytest.fixture
def owned(kubectl: Kubectl) -> Kubectl:
    """Kubectl in a namespace where Argo CD owns the Deployment web."""
    kubectl.ok("label", "deployment", "web", "argocd.argoproj.io/instance=shop")
    return kubectl


@pytest.fixture
def services(
    cluster: "LocalCluster", nats_server: "EmbeddedServer", owned: Kubectl, tmp_path: Path
) -> Iterator[Services]:
    """All six services, with the ConfigMaps of this test's namespace."""
    with Services(
        kubeconfig=cluster.kubeconfig,
        nats_url=nats_server.url,
        namespace=owned.namespace,
        logs=tmp_path,
        environment={"MENDFLOW_SYSTEM_NAMESPACE": owned.namespace},
    ) as running:
        yield running


def test_a_target_of_git_ops_is_refused_and_changed_with_a_note_once_configured(
    owned: Kubectl, services: Services
) -> None:
    owned.apply(workflow("refused", [scale("a", "web", 3)]))
    owned.wait_phase("refused", "Failed")
    (step,) = owned.get("wfe", "refused")["status"]["steps"]
    assert step["reason"] == "PolicyViolation"
    assert step["safety"]["reasons"] == [
        "safety_gitops.rego: Argo CD owns the target: escalate, and change it in Git"
    ]
    assert owned.items("kex") == []

    _configure(owned, "note")
    _until_changed(services, "gitops: refuse -> note")
    steps = [scale("a", "web", 3), image("b", "web", "registry.example/web:2", "a", container="x")]
    owned.apply(workflow("noted", steps, rollback="Automatic"))
    owned.wait_phase("noted", "RolledBack")

    status = owned.get("wfe", "noted")["status"]
    said = [step["safety"] for step in (*status["steps"], *status["rollback"]["steps"])]
    assert [each["notes"] for each in said] == [[NOTE]] * 3
    assert all(each["allowed"] for each in said)

    _configure(owned, "refuse")
    _until_changed(services, "gitops: note -> refuse")
    owned.apply(workflow("again", [scale("a", "web", 3)]))
    owned.wait_phase("again", "Failed")


def _configure(kubectl: Kubectl, value: str) -> None:
    body: Object = {"apiVersion": "v1", "kind": "ConfigMap"}
    kubectl.apply(body | {"metadata": {"name": LIMITS_CONFIG_MAP}, "data": {"gitops": value}})


def _until_changed(services: Services, told: str) -> None:
    for name in JUDGING:
        log = services.processes[name].log
        eventually(log.read_text, lambda text: told in text)
