"""A namespace for one test, with two Deployments to work on."""

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from tests.support.kubectl import Kubectl, Object, eventually
from tests.support.workflows import deployment

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

TARGETS = ("web", "api")
_LONGEST: Final = 50


def fresh_namespace(cluster: "LocalCluster", name: str) -> Kubectl:
    """Make a namespace named after a test, with Deployments that are available in it."""
    kubectl = empty_namespace(cluster, name)
    for target in TARGETS:
        kubectl.apply(deployment(target))
    for target in TARGETS:
        _wait_available(kubectl, target)
    return kubectl


def empty_namespace(cluster: "LocalCluster", name: str) -> Kubectl:
    """Make a namespace named after a test."""
    from deploy.local.kubectl import ensure_kubectl

    kubectl = Kubectl(
        cluster.kubeconfig,
        namespace=_namespace_for(name),
        program=str(ensure_kubectl()),
    )
    kubectl.ok("create", "namespace", kubectl.namespace)
    return kubectl


def _namespace_for(name: str) -> str:
    """Return what a namespace is called; two long names that begin alike have one each."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if len(plain) <= _LONGEST:
        return plain
    mark = sha256(name.encode()).hexdigest()[:8]
    return f"{plain[: _LONGEST - len(mark) - 1].rstrip('-')}-{mark}"


def _wait_available(kubectl: Kubectl, target: str) -> None:
    def available(live: Object) -> bool:
        return bool(live.get("status", {}).get("availableReplicas") == 2)

    eventually(lambda: kubectl.get("deployment", target), available)
