"""Waiting until an API server serves the kinds that were just installed."""

from collections.abc import Callable, Iterable
from typing import Final

from deploy.local.errors import StartError
from deploy.local.probing import wait_until

_CONDITIONS: Final = "go-template={{range .status.conditions}}{{.type}}={{.status}} {{end}}"
_WITHIN_S: Final = 60.0


def wait_until_served(
    kubectl: Callable[..., str], names: Iterable[str], *, within_s: float = _WITHIN_S
) -> None:
    """Wait until definitions of kinds are established.

    `kubectl wait` gives up at once where the conditions are not written yet.

    Args:
        kubectl: runs kubectl with some words and returns what it prints.
        names: of the CustomResourceDefinitions.
        within_s: seconds that each may take.

    Raises:
        StartError: one is not established in time.
    """
    for name in names:

        def is_established(name: str = name) -> bool:
            told = kubectl("get", "crd", name, "--output", _CONDITIONS)
            return "Established=True" in told.split()

        if not wait_until(is_established, within_s=within_s):
            raise StartError(f"the API server does not serve {name} after {within_s:.0f} s")
