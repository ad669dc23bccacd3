"""The action catalogue: what each action is called, needs, takes and leaves behind.

Data only; how an action acts is in `services.executor.actions`. Names in other spellings
(ScaleDeployment, scale-deployment) are aliases of the canonical snake_case one.
"""

import re
from typing import Final

import msgspec

from shared.api.enums import Action
from shared.api.parameters import ActionParameters, Parameters


class ActionEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the catalogue."""

    action: Action
    parameters_key: str
    """Field of `Parameters` that belongs to this action, in Python spelling."""
    timeout: str
    """Default longest time of one attempt."""
    reversible: bool
    """Whether the state before can be captured and restored."""
    changes_cluster: bool = True


_ENTRIES: Final = (
    ActionEntry(
        action=Action.SCALE_DEPLOYMENT,
        parameters_key="scale_deployment",
        timeout="5m",
        reversible=True,
    ),
    ActionEntry(
        action=Action.RESTART_DEPLOYMENT,
        parameters_key="restart_deployment",
        timeout="10m",
        reversible=False,
    ),
    ActionEntry(
        action=Action.UPDATE_IMAGE,
        parameters_key="update_image",
        timeout="10m",
        reversible=True,
    ),
    ActionEntry(
        action=Action.WAIT_FOR_CONDITION,
        parameters_key="wait_for_condition",
        timeout="5m",
        reversible=False,
        changes_cluster=False,
    ),
    ActionEntry(
        action=Action.NOTIFY_ONLY,
        parameters_key="notify_only",
        timeout="10s",
        reversible=False,
        changes_cluster=False,
    ),
)
CATALOGUE: Final = {entry.action: entry for entry in _ENTRIES}
_ALIASES: Final = {"rollout_restart": Action.RESTART_DEPLOYMENT}


def canonical(name: str) -> Action | None:
    """Return the action meant by any spelling of its name, or None when there is none."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").lower()
    if snake in _ALIASES:
        return _ALIASES[snake]
    return Action(snake) if snake in set(Action) else None


def parameters_of(action: Action, parameters: Parameters) -> ActionParameters | None:
    """Return the typed parameters of `action`, or None when its key is not set."""
    found: ActionParameters | None = getattr(parameters, CATALOGUE[action].parameters_key)
    return found


def with_parameters(action: Action, value: ActionParameters) -> Parameters:
    """Return the keyed union that holds `value` for `action`."""
    return msgspec.structs.replace(Parameters(), **{CATALOGUE[action].parameters_key: value})
