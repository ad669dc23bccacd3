"""A namespace for one test, with two Deployments to work on."""

import json
import re
from collections.abc import Iterable
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from cli.namespaces.opting_in import manifests
from tests.support.acting import acting
from tests.support.kubectl import Kubectl, Object, eventually
from tests.support.servers import kubectl as as_admin
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
    kubectl = _kubectl(cluster, name)
    make(kubectl, acting(kubectl.namespace))
    return kubectl


def closed_namespace(cluster: "LocalCluster", name: str) -> Kubectl:
    """Make a namespace named after a test, which nobody has opted in."""
    kubectl = _kubectl(cluster, name)
    make(kubectl, [])
    return kubectl


def opted_in_namespace(
    cluster: "LocalCluster", name: str, *, actions: str | None = None, cluster_actions: str = ""
) -> Kubectl:
    """Make a namespace named after a test, opted in as an admin does it."""
    space = closed_namespace(cluster, name)
    text = manifests(space.namespace, actions=actions, cluster_actions=cluster_actions)
    as_admin(cluster.kubeconfig, "create", "-f", "-", given=text)
    return space


def make(kubectl: Kubectl, more: Iterable[Object]) -> None:
    """Make the namespace of `kubectl`, and with it what is to be there from the beginning."""
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": kubectl.namespace}}
    everything = {"apiVersion": "v1", "kind": "List", "items": [space, *more]}
    kubectl.ok("create", "-f", "-", stdin=json.dumps(everything))


def _kubectl(cluster: "LocalCluster", name: str) -> Kubectl:
    from deploy.local.kubectl import ensure_kubectl

    return Kubectl(
        cluster.kubeconfig, namespace=_namespace_for(name), program=str(ensure_kubectl())
    )


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
