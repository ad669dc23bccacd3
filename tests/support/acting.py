"""Who acts where a test does not ask: any account of the namespace does for any action.

Together they may do what all actions may, there and to nodes, and nothing that none may.
"""

from typing import Final

from shared.effects.rights import RIGHTS
from tests.support.workflows import Object

ROLE: Final[Object] = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "tests-acting"},
    "rules": [
        {"apiGroups": [rule.group], "resources": list(rule.resources), "verbs": list(rule.verbs)}
        for rights in RIGHTS.values()
        for rule in rights.rules
    ],
}
_NODES: Final = "mendflow-action-drain-node"
"""Of all that act on nodes it may do the most."""


def acting(namespace: str) -> list[Object]:
    """Return what gives the accounts of a namespace the rights of all actions."""
    group = f"system:serviceaccounts:{namespace}"
    here = {"name": "acting", "namespace": namespace}
    return [
        _bound("RoleBinding", here, ROLE["metadata"]["name"], group),
        _bound("ClusterRoleBinding", {"name": f"acting-{namespace}"}, _NODES, group),
    ]


def _bound(kind: str, metadata: Object, role: str, group: str) -> Object:
    api = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{api}/v1",
        "kind": kind,
        "metadata": metadata,
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": api, "kind": "Group", "name": group}],
    }
