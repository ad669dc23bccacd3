"""A namespace for one test, with two Deployments to work on."""

import re
from typing import TYPE_CHECKING

from tests.support.kubectl import Kubectl, Object, eventually
from tests.support.workflows import deployment

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

TARGETS = ("web", "api")


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
        namespace=re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50].rstrip("-"),
        program=str(ensure_kubectl()),
    )
    kubectl.ok("create", "namespace", kubectl.namespace)
    return kubectl


def _wait_available(kubectl: Kubectl, target: str) -> None:
    def available(live: Object) -> bool:
        return bool(live.get("status", {}).get("availableReplicas") == 2)

    eventually(lambda: kubectl.get("deployment", target), available)
