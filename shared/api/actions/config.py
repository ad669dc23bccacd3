"""Parameters of the actions on configuration: ConfigMaps, Secrets, manifests, metadata."""

from typing import Annotated

import msgspec
from msgspec import Meta

from shared.api.actions.common import InNamespace, Key, ObjectName, OptionalName

Values = Annotated[
    dict[str, Annotated[str, Meta(max_length=65536)]],
    Meta(max_length=64, description="Values to set, by key; other keys stay."),
]
Removals = Annotated[list[Key], Meta(max_length=64, description="Keys to remove.")]


class UpdateConfigmap(InNamespace, frozen=True, kw_only=True, rename="camel"):
    """Set and remove keys of a ConfigMap."""

    config_map: ObjectName
    data: Values = msgspec.field(default_factory=dict)
    remove: Removals = msgspec.field(default_factory=list)


class UpdateSecret(InNamespace, frozen=True, kw_only=True, rename="camel"):
    """Set and remove keys of a Secret.

    Values in `data` can be read by whoever may read the workflow; `valuesFrom` names another
    Secret of the namespace instead.
    """

    secret: ObjectName
    data: Annotated[
        dict[str, Annotated[str, Meta(max_length=65536)]],
        Meta(max_length=64, description="Values to set, in base64, by key; other keys stay."),
    ] = msgspec.field(default_factory=dict)
    values_from: Annotated[
        OptionalName, Meta(description="Secret whose keys and values are copied.")
    ] = ""
    remove: Removals = msgspec.field(default_factory=list)


class RotateSecrets(InNamespace, frozen=True, kw_only=True, rename="camel"):
    """Give keys of a Secret new random values."""

    secret: ObjectName
    keys: Annotated[
        list[Key], Meta(min_length=1, max_length=64, description="Keys that get a new value.")
    ]
    length: Annotated[int, Meta(ge=16, le=128, description="Characters of each new value.")] = 32


class ApplyManifest(InNamespace, frozen=True, kw_only=True, rename="camel"):
    """Apply the manifest of one object on the server; it is made where there is none."""

    manifest: Annotated[
        str,
        Meta(min_length=2, max_length=32768, description="The object, as YAML or JSON."),
    ]
    force_conflicts: Annotated[
        bool, Meta(description="Take over fields that another manager owns.")
    ] = False


class LabelResource(InNamespace, frozen=True, kw_only=True, rename="camel"):
    """Set and remove labels of an object."""

    kind: Annotated[str, Meta(min_length=1, max_length=63, description="Kind, such as Deployment.")]
    name: ObjectName
    labels: Annotated[
        dict[str, Annotated[str, Meta(max_length=63)]],
        Meta(max_length=16, description="Labels to set; others stay."),
    ] = msgspec.field(default_factory=dict)
    remove: Annotated[list[Key], Meta(max_length=16, description="Labels to remove.")] = (
        msgspec.field(default_factory=list)
    )


class AnnotateResource(InNamespace, frozen=True, kw_only=True, rename="camel"):
    """Set and remove annotations of an object."""

    kind: Annotated[str, Meta(min_length=1, max_length=63, description="Kind, such as Deployment.")]
    name: ObjectName
    annotations: Annotated[
        dict[str, Annotated[str, Meta(max_length=4096)]],
        Meta(max_length=16, description="Annotations to set; others stay."),
    ] = msgspec.field(default_factory=dict)
    remove: Annotated[list[Key], Meta(max_length=16, description="Annotations to remove.")] = (
        msgspec.field(default_factory=list)
    )
