"""People with credentials of their own, who may do in one namespace what people may."""

from typing import TYPE_CHECKING

from tests.support.kubectl import Kubectl

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster


def stranger(cluster: "LocalCluster", name: str, namespace: str) -> Kubectl:
    """Return kubectl of somebody with a certificate and no rights."""
    from deploy.local.kubectl import ensure_kubectl

    return Kubectl(cluster.kubeconfig_for(name), namespace=namespace, program=str(ensure_kubectl()))


def person(cluster: "LocalCluster", admin: Kubectl, name: str) -> Kubectl:
    """Return kubectl of somebody who may submit workflows and answer requests.

    Args:
        cluster: where they have their certificate from.
        admin: grants the rights, in its namespace.
        name: how the API server knows them.
    """
    bound(admin, name, "mendflow-submitter")
    bound(admin, name, "mendflow-approver")
    return stranger(cluster, name, admin.namespace)


def bound(admin: Kubectl, name: str, role: str) -> None:
    """Let somebody do what a role of deploy/rbac/people.yaml grants, in the admin's namespace."""
    words = (f"--clusterrole={role}", f"--user={name}")
    admin.ok("create", "rolebinding", f"{role}-{name}", *words)
