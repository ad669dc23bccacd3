"""The rules of a NetworkPolicy."""

from typing import Final

from services.executor.actions.handling import Handler, Material, undone_as, update_done
from services.executor.core.changes import Asked, Object
from shared.api.enums import Action
from shared.api.parameters import UpdateNetworkPolicy
from shared.effects.forms import Form
from shared.effects.manifests import parsed_object


def _intend(parameters: UpdateNetworkPolicy, live: Object, material: Material) -> Asked:
    del live, material
    return Asked(form=Form.MERGE, body={"spec": parsed_object(parameters.rules)})


RULES: Final = Handler(
    intend=_intend,
    judge=update_done("spec"),
    undo=undone_as(Action.UPDATE_NETWORK_POLICY, rules="{}"),
)
