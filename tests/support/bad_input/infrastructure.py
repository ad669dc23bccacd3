"""Nodes, claims and network policies that cannot be changed."""

from typing import Final

from shared.api.enums import Action, ErrorType
from shared.api.groups import NETWORK_POLICY, NODE, PERSISTENT_VOLUME_CLAIM
from shared.kube.port import Object
from tests.support.bad_input.row import META, Row
from tests.support.bodies import object_of


def _claim() -> Object:
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "none",
        "resources": {"requests": {"storage": "2Gi"}},
    }
    return object_of(PERSISTENT_VOLUME_CLAIM, META, spec=spec)


INFRASTRUCTURE: Final = [
    Row(
        "no such node",
        NODE,
        None,
        Action.CORDON_NODE,
        {"node": "NAME"},
        ErrorType.RESOURCE_NOT_FOUND,
        "Node NAME does not exist",
    ),
    Row(
        "a smaller claim",
        PERSISTENT_VOLUME_CLAIM,
        _claim(),
        Action.EXPAND_PVC,
        {"pvc": "NAME", "size": "1Gi"},
        ErrorType.VALIDATION_ERROR,
        "PersistentVolumeClaim NAME asks for 2Gi; it cannot become smaller",
    ),
    Row(
        "a claim that cannot grow",
        PERSISTENT_VOLUME_CLAIM,
        _claim(),
        Action.EXPAND_PVC,
        {"pvc": "NAME", "size": "3Gi"},
        ErrorType.VALIDATION_ERROR,
        "spec is immutable",
    ),
    Row(
        "rules that are no object",
        NETWORK_POLICY,
        None,
        Action.UPDATE_NETWORK_POLICY,
        {"networkpolicy": "NAME", "rules": "[]"},
        ErrorType.VALIDATION_ERROR,
        "rules: it is no object",
    ),
]
