"""`mendflow namespace`: prints what an admin applies so that actions can be carried out there."""

import argparse
import re
import sys
from typing import Final

import yaml

from cli.namespaces import choosing
from cli.namespaces.errors import NamespaceError
from cli.namespaces.manifests import opted_in

_NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_MISUSED: Final = 2


def run(options: argparse.Namespace) -> int:
    """Print the manifests; return the exit code."""
    try:
        text = manifests(
            options.name,
            actions=options.actions,
            cluster_actions=options.cluster_actions,
            system_namespace=options.system_namespace,
        )
    except NamespaceError as error:
        sys.stderr.write(f"error: {error}\n")
        return _MISUSED
    sys.stdout.write(text)
    return 0


def manifests(
    name: str,
    *,
    actions: str | None = None,
    cluster_actions: str = "",
    system_namespace: str = "kubernaut-system",
) -> str:
    """Return the manifests that opt a namespace in.

    Args:
        name: of the namespace.
        actions: those wanted, with commas; None for all that act in a namespace.
        cluster_actions: those wanted that reach further, with commas.
        system_namespace: where the services run.

    Raises:
        NamespaceError: when one of the names makes no sense, or there is no action.
    """
    for given in (name, system_namespace):
        _check(given)
    within = choosing.WITHIN if actions is None else choosing.within(actions)
    wanted = [*within, *choosing.beyond(cluster_actions)]
    if not wanted:
        message = "no action is left; name some in --actions or --cluster-actions"
        raise NamespaceError(message)
    objects = opted_in(name, wanted, system_namespace=system_namespace)
    return yaml.safe_dump_all(objects, sort_keys=False)


def _check(namespace: str) -> None:
    if not _NAMESPACE.fullmatch(namespace):
        message = (
            f"{namespace!r} is no name of a namespace: those have up to 63 lower-case letters,"
            " digits and hyphens, with no hyphen at either end"
        )
        raise NamespaceError(message)
