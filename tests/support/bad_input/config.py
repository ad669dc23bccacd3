"""ConfigMaps and Secrets whose keys cannot be set or removed."""

from typing import Final

from shared.api.enums import Action, ErrorType
from shared.api.groups import CONFIG_MAP, SECRET
from tests.support.bad_input.row import DATA, META, Row
from tests.support.bodies import encoded, object_of

TOO_LARGE: Final = 1_040_000
"""Bytes: nearly as large as a ConfigMap may be, and more than can be kept."""
IMMUTABLE: Final = DATA | {"immutable": True}
BIG: Final = {"data": {"big": "x" * TOO_LARGE}}

CONFIG: Final = [
    Row(
        "an immutable ConfigMap",
        CONFIG_MAP,
        object_of(CONFIG_MAP, META, **IMMUTABLE),
        Action.UPDATE_CONFIGMAP,
        {"configMap": "NAME", "data": {"a": "2"}},
        ErrorType.VALIDATION_ERROR,
        "ConfigMap NAME is immutable; make another one instead",
    ),
    Row(
        "more than can be kept",
        CONFIG_MAP,
        object_of(CONFIG_MAP, META, **BIG),
        Action.UPDATE_CONFIGMAP,
        {"configMap": "NAME", "remove": ["big"]},
        ErrorType.VALIDATION_ERROR,
        "more than the 1000000 that can be kept to undo the change; make smaller changes",
    ),
    Row(
        "a key that is none",
        CONFIG_MAP,
        object_of(CONFIG_MAP, META, **DATA),
        Action.UPDATE_CONFIGMAP,
        {"configMap": "NAME", "data": {"a b": "1"}},
        ErrorType.VALIDATION_ERROR,
        "data: 'a b' is no key",
    ),
    Row(
        "values from nowhere",
        SECRET,
        object_of(SECRET, META, data={"a": encoded("1")}),
        Action.UPDATE_SECRET,
        {"secret": "NAME", "valuesFrom": "nowhere"},
        ErrorType.RESOURCE_NOT_FOUND,
        "there is no Secret nowhere to copy values from",
    ),
    Row(
        "a value that is not encoded",
        SECRET,
        object_of(SECRET, META, data={"a": encoded("1")}),
        Action.UPDATE_SECRET,
        {"secret": "NAME", "data": {"a": "not base64!"}},
        ErrorType.VALIDATION_ERROR,
        "data[a]: it is no base64; encode the value",
    ),
    Row(
        "an immutable Secret",
        SECRET,
        object_of(SECRET, META, data={"a": encoded("1")}, immutable=True),
        Action.ROTATE_SECRETS,
        {"secret": "NAME", "keys": ["a"]},
        ErrorType.VALIDATION_ERROR,
        "Secret NAME is immutable; make another one instead",
    ),
    Row(
        "an unknown key",
        SECRET,
        object_of(SECRET, META, data={"a": encoded("1")}),
        Action.ROTATE_SECRETS,
        {"secret": "NAME", "keys": ["a", "b"]},
        ErrorType.VALIDATION_ERROR,
        "Secret NAME has no b; name keys that it has",
    ),
]
