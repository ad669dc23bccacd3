"""Parameters of actions, from what a workflow says of them."""

from collections.abc import Mapping
from typing import Any

import msgspec

from shared.api.enums import Action
from shared.api.parameters import ActionParameters, Parameters
from shared.effects.catalogue import parameters_of


def keyed(action: Action, given: Mapping[str, Any]) -> Parameters:
    """Return the parameters of an action, as they stand in a workflow."""
    key = next(
        each.encode_name for each in msgspec.structs.fields(Parameters) if each.name == str(action)
    )
    return msgspec.convert({key: given}, Parameters)


def parameters_for(action: Action, given: Mapping[str, Any]) -> ActionParameters:
    """Return the parameters of an action, as they stand in a step."""
    found = parameters_of(action, keyed(action, given))
    assert found is not None
    return found
