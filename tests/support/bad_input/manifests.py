"""Manifests that cannot or must not be applied."""

from typing import Final

from shared.api.enums import Action, ErrorType
from shared.api.groups import CONFIG_MAP, DEPLOYMENT, NETWORK_POLICY, SERVICE
from shared.kube.port import Object
from tests.support.bad_input.row import DATA, META, REFUSED, Row
from tests.support.bodies import object_of, text_of

BOMB: Final = "a: &a [1]\nb: *a\n"


def _service() -> Object:
    return object_of(SERVICE, META, spec={"selector": {"a": "b"}, "ports": [{"port": 80}]})


MANIFESTS: Final = [
    Row(
        "a field that nobody knows",
        CONFIG_MAP,
        object_of(CONFIG_MAP, META, **DATA),
        Action.APPLY_MANIFEST,
        {"manifest": text_of(object_of(CONFIG_MAP, META, spec={}))},
        ErrorType.VALIDATION_ERROR,
        ".spec: field not declared in schema",
    ),
    Row(
        "no YAML",
        CONFIG_MAP,
        None,
        Action.APPLY_MANIFEST,
        {"manifest": "a: [1"},
        ErrorType.VALIDATION_ERROR,
        "manifest: it is no YAML: line 1",
    ),
    Row(
        "aliases",
        CONFIG_MAP,
        None,
        Action.APPLY_MANIFEST,
        {"manifest": BOMB},
        ErrorType.VALIDATION_ERROR,
        "manifest: it is no YAML: line 2: aliases are not allowed",
    ),
    Row(
        "a name that leads elsewhere",
        CONFIG_MAP,
        None,
        Action.APPLY_MANIFEST,
        {"manifest": text_of(object_of(CONFIG_MAP, {"name": "../secrets/NAME"}))},
        ErrorType.VALIDATION_ERROR,
        "is no name of an object",
    ),
    Row(
        "a kind that gives rights",
        CONFIG_MAP,
        None,
        Action.APPLY_MANIFEST,
        {"manifest": "kind: ClusterRole\nmetadata: {name: x}"},
        ErrorType.VALIDATION_ERROR,
        "manifest: kind 'ClusterRole' cannot be applied",
    ),
    Row(
        "a manifest that is none",
        DEPLOYMENT,
        None,
        Action.APPLY_MANIFEST,
        {"manifest": text_of(object_of(DEPLOYMENT, META, spec={"replicas": 1}))},
        ErrorType.VALIDATION_ERROR,
        "spec.selector",
    ),
    Row(
        "a manifest of an immutable field",
        SERVICE,
        _service(),
        Action.APPLY_MANIFEST,
        {
            "manifest": text_of(object_of(SERVICE, META, spec={"clusterIP": "10.9.9.9"})),
            "forceConflicts": True,
        },
        ErrorType.VALIDATION_ERROR,
        "clusterIP",
    ),
    Row(
        "a policy against making it",
        CONFIG_MAP,
        None,
        Action.APPLY_MANIFEST,
        {"manifest": text_of(object_of(CONFIG_MAP, META | {"labels": REFUSED}))},
        ErrorType.VALIDATION_ERROR,
        "not in this house",
    ),
    Row(
        "more than the quota",
        NETWORK_POLICY,
        None,
        Action.APPLY_MANIFEST,
        {"manifest": text_of(object_of(NETWORK_POLICY, META, spec={"podSelector": {}}))},
        ErrorType.RESOURCE_QUOTA_EXCEEDED,
        "exceeded quota: none",
    ),
    Row(
        "a field of another manager",
        CONFIG_MAP,
        object_of(CONFIG_MAP, META, **DATA),
        Action.APPLY_MANIFEST,
        {"manifest": text_of(object_of(CONFIG_MAP, META, data={"a": "2"}))},
        ErrorType.RESOURCE_CONFLICT,
        'conflict with "somebody"',
    ),
]
