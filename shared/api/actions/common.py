"""What parameters of several actions have in common."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

EXPRESSION_PATTERN: Final = r"^\$\{.+\}$"
HOLDS_EXPRESSION: Final = r"[^$]*\$\{([^$]|\$[^$])*\}[^$]*"
"""With `$${`, a plain `${`, there would be none of it left to give a value to."""
END: Final = r"\Z"
"""Not `$`, which a line break may follow in Python; the CRDs have it as `$`."""

ObjectName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=253,
        pattern=rf"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?|{HOLDS_EXPRESSION}){END}",
        description="Name of the object, as Kubernetes spells it.",
    ),
]
OptionalName = Annotated[
    str,
    Meta(
        max_length=253,
        pattern=rf"^(([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?|{HOLDS_EXPRESSION}){END}",
        description="Name of the object, as Kubernetes spells it; may be empty.",
    ),
]
Namespace = Annotated[
    str,
    Meta(
        max_length=63,
        pattern=rf"^(([a-z0-9]([-a-z0-9]*[a-z0-9])?)?|{HOLDS_EXPRESSION}){END}",
        description="Namespace of the object; empty means the workflow's own.",
    ),
]
Duration = Annotated[
    str,
    Meta(
        max_length=32,
        pattern=r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$",
        description="Go-style duration such as 90s, 5m or 1h30m.",
    ),
]
Expression = Annotated[
    str,
    Meta(
        max_length=1100,
        pattern=EXPRESSION_PATTERN,
        description="An expression that gives the value.",
    ),
]
Container = Annotated[
    str, Meta(min_length=1, max_length=63, description="Name of the container to change.")
]
OnlyContainer = Annotated[
    str, Meta(max_length=63, description="Name of the container; empty if there is only one.")
]
Grace = Annotated[int, Meta(ge=0, le=3600, description="Seconds that the pod gets to end.")]
Key = Annotated[str, Meta(min_length=1, max_length=317, description="Key of a map.")]


class InNamespace(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Parameters of an action that is about something in a namespace."""

    namespace: Namespace = ""


class TargetResource(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An object that a step looks at."""

    kind: Annotated[str, Meta(min_length=1, max_length=63, description="Kind, such as Deployment.")]
    name: ObjectName
    namespace: Namespace = ""
