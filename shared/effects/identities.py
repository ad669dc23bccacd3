"""Who acts: each action as a ServiceAccount of its own, in the workflow's namespace.

Pure. What that account may do is in `shared.effects.rights`.
"""

from shared.api.enums import Action


def account_of(action: Action) -> str:
    """Return the name of the ServiceAccount that carries out an action."""
    return f"mendflow-{_dashed(action)}"


def role_of(action: Action) -> str:
    """Return the name of the ClusterRole with the rights of an action."""
    return f"mendflow-action-{_dashed(action)}"


def user_of(namespace: str, account: str) -> str:
    """Return how the API server knows a ServiceAccount.

    Raises:
        ValueError: when one of them is empty: such a name would be somebody else's.
    """
    if not namespace or not account:
        message = f"no account is named by namespace {namespace!r} and name {account!r}"
        raise ValueError(message)
    return f"system:serviceaccount:{namespace}:{account}"


def _dashed(action: Action) -> str:
    return action.value.replace("_", "-")
