"""ConfigMaps, Secrets and manifests; undone by the values before, which stay where they are."""

import base64
from typing import Final

import msgspec

from services.executor.actions.handling import (
    Handler,
    Material,
    refused,
    undone_as,
    update_done,
)
from services.executor.core.changes import Asked, Object, RefusedError, State, Wanted
from services.executor.core.paths import ABSENT, below, text
from shared.api.enums import Action, ErrorType
from shared.api.parameters import (
    ActionParameters,
    ApplyManifest,
    RotateSecrets,
    UpdateConfigmap,
    UpdateSecret,
)
from shared.effects.forms import Form
from shared.effects.manifests import identity_of, parsed_object

_DATA: Final = "data"
_BYTES: Final = "binaryData"
"""Where a ConfigMap has the values that are no text."""


def _mutable(live: Object) -> None:
    if live.get("immutable"):
        kind, name = live.get("kind", ""), live["metadata"]["name"]
        raise refused(f"{kind} {name} is immutable; make another one instead")


def _intend_config_map(parameters: UpdateConfigmap, live: Object, material: Material) -> Wanted:
    del material
    _mutable(live)
    fields = {below(_DATA, key): text(given) for key, given in parameters.data.items()}
    return Wanted(fields=fields | _removed(parameters.remove, live))


def _removed(keys: list[str], live: Object) -> dict[str, str]:
    """Return the keys as taken out, each from where it is."""
    in_bytes = live.get(_BYTES) or {}
    return {below(_BYTES if key in in_bytes else _DATA, key): ABSENT for key in keys}


def _intend_secret(parameters: UpdateSecret, live: Object, material: Material) -> Wanted:
    _mutable(live)
    given = parameters.data
    if parameters.values_from:
        if material.source is None:
            message = f"there is no Secret {parameters.values_from} to copy values from"
            raise RefusedError(ErrorType.RESOURCE_NOT_FOUND, message)
        given = material.source.get(_DATA) or {}
    fields = {below(_DATA, key): text(_normal(key, each)) for key, each in given.items()}
    return Wanted(fields=fields | _removed(parameters.remove, live))


def _normal(key: str, encoded: str) -> str:
    try:
        plain = base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise refused(f"data[{key}]: it is no base64; encode the value") from error
    return base64.b64encode(plain).decode()


def _intend_rotation(parameters: RotateSecrets, live: Object, material: Material) -> Wanted:
    _mutable(live)
    unknown = sorted(set(parameters.keys) - set(live.get(_DATA) or {}))
    if unknown:
        name = live["metadata"]["name"]
        raise refused(f"Secret {name} has no {', '.join(unknown)}; name keys that it has")
    encoded = {
        key: base64.b64encode(material.fresh[key].encode()).decode() for key in parameters.keys
    }
    return Wanted(fields={below(_DATA, key): text(each) for key, each in encoded.items()})


def _intend_manifest(parameters: ApplyManifest, live: Object, material: Material) -> Asked:
    del live, material
    body = parsed_object(parameters.manifest)
    return Asked(form=Form.APPLY, body=body, force=parameters.force_conflicts)


def _undo_manifest(parameters: ApplyManifest, state: State) -> tuple[Action, ActionParameters]:
    del state
    identity = identity_of(parameters.manifest)
    plain = {
        "apiVersion": identity.api_version,
        "kind": identity.kind,
        "metadata": {"name": identity.name},
    }
    back = msgspec.structs.replace(
        parameters, manifest=text(plain), namespace=parameters.namespace or identity.namespace
    )
    return Action.APPLY_MANIFEST, back


CONFIG: Final = Handler(
    intend=_intend_config_map,
    judge=update_done("config"),
    undo=undone_as(Action.UPDATE_CONFIGMAP, data={}, remove=[]),
)
SECRET: Final = Handler(
    intend=_intend_secret,
    judge=update_done("config"),
    undo=undone_as(Action.UPDATE_SECRET, data={}, values_from="", remove=[]),
)
ROTATION: Final = Handler(
    intend=_intend_rotation, judge=update_done("config"), undo=undone_as(Action.ROTATE_SECRETS)
)
MANIFEST: Final = Handler(intend=_intend_manifest, judge=update_done("spec"), undo=_undo_manifest)
