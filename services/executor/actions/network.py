"""The rules of a NetworkPolicy."""

from typing import Final

import msgspec

from services.executor.actions.handling import Handler, Material, read_as, update_done
from services.executor.core.changes import Asked, Object, State
from shared.api.enums import Action
from shared.api.parameters import ActionParameters, UpdateNetworkPolicy
from shared.effects.forms import Form
from shared.effects.manifests import parsed_object


def _intend(parameters: UpdateNetworkPolicy, live: Object, material: Material) -> Asked:
    del live, material
    return Asked(
        form=Form.MERGE, body={"spec": read_as(parsed_object, parameters.rules, field="rules")}
    )


def _undo(parameters: UpdateNetworkPolicy, state: State) -> tuple[Action, ActionParameters]:
    del state
    return Action.UPDATE_NETWORK_POLICY, msgspec.structs.replace(parameters, rules="{}")


RULES: Final = Handler(intend=_intend, judge=update_done("spec"), undo=_undo)
