"""Labels and annotations that cannot be set, and a pod that cannot be cut off."""

from typing import Final

from shared.api.enums import Action, ErrorType
from shared.api.groups import CONFIG_MAP
from tests.support.bad_input.row import DATA, META, REFUSED, Row
from tests.support.bodies import object_of

METADATA: Final = [
    Row(
        "a policy against it",
        CONFIG_MAP,
        object_of(CONFIG_MAP, META, **DATA),
        Action.LABEL_RESOURCE,
        {"kind": "ConfigMap", "name": "NAME", "labels": REFUSED},
        ErrorType.VALIDATION_ERROR,
        "not in this house",
    ),
    Row(
        "a mark of the services",
        CONFIG_MAP,
        object_of(CONFIG_MAP, META, **DATA),
        Action.ANNOTATE_RESOURCE,
        {"kind": "ConfigMap", "name": "NAME", "remove": ["kubernaut.ai/locked-by"]},
        ErrorType.VALIDATION_ERROR,
        "cannot be set by a step",
    ),
    Row(
        "no such pod to cut off",
        CONFIG_MAP,
        None,
        Action.QUARANTINE_POD,
        {"pod": "NAME"},
        ErrorType.RESOURCE_NOT_FOUND,
        "Pod bad-input/NAME does not exist",
    ),
]
