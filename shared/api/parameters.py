"""Typed parameters of every action, as they stand in a step and in an execution.

`Parameters` is a union keyed by action: exactly the key of the step's action may be set.
In a step, a value may hold an expression (`${...}`); in an execution it never does.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

EXPRESSION_PATTERN: Final = r"^\$\{.+\}$"
_HOLDS_EXPRESSION: Final = r"[^$]*\$\{([^$]|\$[^$])*\}[^$]*"
"""With `$${`, a plain `${`, there would be none of it left to give a value to."""

ObjectName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=253,
        pattern=rf"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?|{_HOLDS_EXPRESSION})$",
        description="Name of the object, as Kubernetes spells it.",
    ),
]
Namespace = Annotated[
    str,
    Meta(
        max_length=63,
        pattern=rf"^(([a-z0-9]([-a-z0-9]*[a-z0-9])?)?|{_HOLDS_EXPRESSION})$",
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


class ScaleDeployment(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Set the replica count of a Deployment and wait until it is rolled out."""

    deployment: ObjectName
    namespace: Namespace = ""
    replicas: Annotated[
        Annotated[int, Meta(ge=0, le=1000)] | Expression,
        Meta(description="Replicas to end up with."),
    ]
    expected_replicas: Annotated[
        Annotated[int, Meta(ge=0, le=1000)] | Expression | None,
        Meta(description="Replicas that current_replicas_match expects before the step."),
    ] = None

    @property
    def wanted(self) -> int:
        """Return the replicas to end up with, once every expression has its value."""
        return int(self.replicas)

    @property
    def expected(self) -> int | None:
        """Return the replicas to find, once every expression has its value; None for any."""
        return None if self.expected_replicas is None else int(self.expected_replicas)


class RestartDeployment(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Restart the pods of a Deployment by a rolling update and wait for it."""

    deployment: ObjectName
    namespace: Namespace = ""


class UpdateImage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Change the image of one container of a Deployment and wait for the rollout."""

    deployment: ObjectName
    namespace: Namespace = ""
    container: Annotated[
        str, Meta(min_length=1, max_length=63, description="Name of the container to change.")
    ]
    new_image: Annotated[
        str, Meta(min_length=1, max_length=512, description="Image reference to run.")
    ]


class TargetResource(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An object that a step looks at."""

    kind: Annotated[str, Meta(min_length=1, max_length=63, description="Kind, such as Deployment.")]
    name: ObjectName
    namespace: Namespace = ""


class WaitForCondition(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Wait until a condition of an object is true; changes nothing."""

    target_resource: Annotated[
        TargetResource, Meta(description="The object to look at: Deployment, Job or Pod.")
    ]
    condition: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=128,
            description="Type of the condition, such as Available or DeploymentAvailable.",
        ),
    ]


class NotifyOnly(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Tell people something; changes nothing in the cluster."""

    message: Annotated[str, Meta(min_length=1, max_length=1024, description="What to say.")]


class Parameters(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Parameters keyed by action; set the one that belongs to the step's action."""

    scale_deployment: Annotated[
        ScaleDeployment | None, Meta(description="For action scale_deployment.")
    ] = None
    restart_deployment: Annotated[
        RestartDeployment | None, Meta(description="For action restart_deployment.")
    ] = None
    update_image: Annotated[UpdateImage | None, Meta(description="For action update_image.")] = None
    wait_for_condition: Annotated[
        WaitForCondition | None, Meta(description="For action wait_for_condition.")
    ] = None
    notify_only: Annotated[NotifyOnly | None, Meta(description="For action notify_only.")] = None


ActionParameters = ScaleDeployment | RestartDeployment | UpdateImage | WaitForCondition | NotifyOnly
