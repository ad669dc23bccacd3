"""The actions that an admin names, in any spelling."""

from collections.abc import Collection, Sequence
from typing import Final

from cli.namespaces.errors import NamespaceError
from shared.api.enums import Action
from shared.effects.catalogue import canonical, meant_by
from shared.effects.rights import RIGHTS, Scope

WITHIN: Final = tuple(a for a, rights in RIGHTS.items() if rights.scope is Scope.NAMESPACE)
"""Actions that act in the namespace of their workflow, as far as their account reaches."""
BEYOND: Final = tuple(a for a, rights in RIGHTS.items() if rights.scope is not Scope.NAMESPACE)
"""Actions on nodes and in kube-system."""


def within(text: str) -> Sequence[Action]:
    """Return the actions of `--actions`. Raises NamespaceError."""
    return _chosen(text, WITHIN, "acts on more than a namespace: name it in --cluster-actions")


def beyond(text: str) -> Sequence[Action]:
    """Return the actions of `--cluster-actions`. Raises NamespaceError."""
    return _chosen(text, BEYOND, "acts in a namespace: name it in --actions")


def _chosen(text: str, offered: Collection[Action], elsewhere: str) -> Sequence[Action]:
    """Return the actions in a text with commas between them, in the order of the catalogue."""
    named = {_action(name.strip()) for name in text.split(",") if name.strip()}
    for action in sorted(named):
        if action not in RIGHTS:
            message = f"{action} changes nothing in the cluster and needs no account: leave it out"
            raise NamespaceError(message)
        if action not in offered:
            message = f"{action} {elsewhere}"
            raise NamespaceError(message)
    return [action for action in offered if action in named]


def _action(name: str) -> Action:
    action = canonical(name)
    if action is not None:
        return action
    near = " or ".join(meant_by(name))
    hint = f"did you mean {near}?" if near else "`mendflow namespace --help` lists those there are"
    message = f"there is no action {name!r}; {hint}"
    raise NamespaceError(message)
