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
    # Replaced field by field: a merge would leave what else a selector has.
    rules = parsed_object(parameters.rules).items()
    body = [{"op": "add", "path": f"/spec/{field}", "value": each} for field, each in rules]
    return Asked(form=Form.JSON, body=body)


RULES: Final = Handler(
    intend=_intend,
    judge=update_done("spec"),
    undo=undone_as(Action.UPDATE_NETWORK_POLICY, rules="{}"),
)
