"""What an admin applies so that actions can be carried out in a namespace.

Pure. For each action an account with the rights of that action, and for the executor the right
to act as exactly these accounts.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from shared.api.enums import Action
from shared.effects.catalogue import CATALOGUE, Family
from shared.effects.identities import account_of, role_of
from shared.effects.pod_templates import SERVICE_ACCOUNT
from shared.effects.rights import RIGHTS, Scope

Object = dict[str, Any]

EXECUTORS: Final = ("mendflow-executor", "mendflow")
"""The accounts that services run as: the executor's own, and that of all in one."""
_RBAC: Final = "rbac.authorization.k8s.io"
_IMPERSONATION: Final = "mendflow-impersonation"


def opted_in(
    namespace: str, actions: Sequence[Action], *, system_namespace: str
) -> Iterable[Object]:
    """Yield the objects that opt a namespace in for these actions, no more.

    Args:
        namespace: where workflows will be.
        actions: what they may do, if their submitters may use the accounts.
        system_namespace: where the services run.
    """
    for action in actions:
        yield _account(namespace, action)
        yield _bound(namespace, action)
    if any(CATALOGUE[action].family is Family.JOBS for action in actions):
        yield _service_account(namespace, SERVICE_ACCOUNT, mounts_token=True)
    yield _impersonation(namespace, actions)
    executors = [_subject(name, system_namespace) for name in EXECUTORS]
    role = {"kind": "Role", "name": _IMPERSONATION}
    yield _binding("RoleBinding", _IMPERSONATION, namespace, role, executors)


def _account(namespace: str, action: Action) -> Object:
    # Nothing runs as it: the executor acts in its name.
    return _service_account(namespace, account_of(action), mounts_token=False)


def _service_account(namespace: str, name: str, *, mounts_token: bool) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": _metadata(name, namespace),
        "automountServiceAccountToken": mounts_token,
    }


def _bound(namespace: str, action: Action) -> Object:
    """Return what gives an account its rights: in its namespace, or as far as they reach."""
    role = {"kind": "ClusterRole", "name": role_of(action)}
    subjects = [_subject(account_of(action), namespace)]
    match RIGHTS[action].scope:
        case Scope.NAMESPACE:
            return _binding("RoleBinding", role_of(action), namespace, role, subjects)
        case Scope.CLUSTER:
            return _binding("ClusterRoleBinding", _elsewhere(namespace, action), "", role, subjects)
        case Scope.SYSTEM:
            name = _elsewhere(namespace, action)
            return _binding("RoleBinding", name, str(Scope.SYSTEM), role, subjects)


def _elsewhere(namespace: str, action: Action) -> str:
    """Return the name of a binding that namespaces share a place for; a colon ends the name."""
    return f"{role_of(action)}:{namespace}"


def _impersonation(namespace: str, actions: Sequence[Action]) -> Object:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "Role",
        "metadata": _metadata(_IMPERSONATION, namespace),
        "rules": [
            {
                "apiGroups": [""],
                "resources": ["serviceaccounts"],
                "resourceNames": [account_of(action) for action in actions],
                "verbs": ["impersonate"],
            }
        ],
    }


def _binding(
    kind: str, name: str, namespace: str, role: Object, subjects: Sequence[Object]
) -> Object:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": kind,
        "metadata": _metadata(name, namespace),
        "roleRef": {"apiGroup": _RBAC} | role,
        "subjects": list(subjects),
    }


def _subject(name: str, namespace: str) -> Object:
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def _metadata(name: str, namespace: str) -> Object:
    labels = {"app.kubernetes.io/name": "mendflow", "app.kubernetes.io/component": "identity"}
    return {"name": name} | ({"namespace": namespace} if namespace else {}) | {"labels": labels}
