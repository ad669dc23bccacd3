"""What an action is about: the object, and its parameters without their key."""

from typing import Any

import msgspec

from shared.api.enums import Action
from shared.api.parameters import (
    ActionParameters,
    Parameters,
    ScaleDeployment,
    ScaleStatefulset,
    UpdateSecret,
)
from shared.effects.catalogue import CATALOGUE, canonical, parameters_of
from shared.effects.targets import Address, target_of
from shared.errors import PermanentError


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What an action is to do, to what."""

    action: Action
    parameters: ActionParameters
    target: Address | None
    """None for what is about no object."""

    @property
    def changes_cluster(self) -> bool:
        """Return whether it changes anything at all."""
        return CATALOGUE[self.action].changes_cluster

    @property
    def flat_parameters(self) -> dict[str, Any]:
        """Return its parameters as plain values, spelled as in a manifest.

        Of values for a Secret only the keys and their size.
        """
        flat: dict[str, Any] = msgspec.to_builtins(self.parameters)
        if isinstance(self.parameters, UpdateSecret):
            data = flat.pop("data")
            flat |= {"keys": sorted(data), "data_bytes": sum(map(len, data.values()))}
        return {key: value for key, value in flat.items() if value is not None}

    @property
    def replicas(self) -> int | None:
        """Return how many replicas it leaves, or None if it leaves them as they are."""
        return _wanted(self.parameters)

    @property
    def expected_replicas(self) -> int | None:
        """Return how many replicas there are to be before it, or None if that was not said."""
        return self.parameters.expected if isinstance(self.parameters, ScaleDeployment) else None


def asked(action: str, parameters: Parameters, *, namespace: str) -> Asked:
    """Return what an action is to do.

    Args:
        action: its name, in any spelling.
        parameters: without expressions.
        namespace: the workflow's own, where the parameters name none.

    Raises:
        PermanentError: when there is no such action, or its parameters are missing.
    """
    known = canonical(action)
    if known is None:
        raise PermanentError("UnknownAction", f"there is no action {action[:64]!r}")
    given = parameters_of(known, parameters)
    if given is None:
        raise PermanentError("NoParameters", f"{known} has no parameters")
    return Asked(action=known, parameters=given, target=target_of(known, given, namespace))


def _wanted(given: ActionParameters) -> int | None:
    return given.wanted if isinstance(given, ScaleDeployment | ScaleStatefulset) else None
