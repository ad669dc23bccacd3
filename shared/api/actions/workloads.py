"""Parameters of the actions on workloads: scale, restart, image, patch, resources, HPA."""

from typing import Annotated, Literal

from msgspec import Meta

from shared.api.actions.common import (
    Container,
    Expression,
    InNamespace,
    ObjectName,
    OnlyContainer,
)

Replicas = Annotated[int, Meta(ge=0, le=1000)] | Expression
Quantity = Annotated[
    str,
    Meta(
        max_length=32,
        pattern=r"^[0-9]+(\.[0-9]+)?([eE][0-9]+|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$",
        description="Amount, such as 500m or 1Gi.",
    ),
]


class ScaleDeployment(InNamespace, frozen=True, kw_only=True, rename="camel"):
    """Set the replica count of a Deployment and wait until it is rolled out."""

    deployment: ObjectName
    replicas: Annotated[Replicas, Meta(description="Replicas to end up with.")]
    expected_replicas: Annotated[
        Replicas | None,
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


class ScaleStatefulset(InNamespace, frozen=True, kw_only=True, rename="camel"):
    """Set the replica count of a StatefulSet and wait until all are ready."""

    statefulset: ObjectName
    replicas: Annotated[Replicas, Meta(description="Replicas to end up with.")]

    @property
    def wanted(self) -> int:
        """Return the replicas to end up with, once every expression has its value."""
        return int(self.replicas)


class RestartDeployment(InNamespace, frozen=True, kw_only=True, rename="camel"):
    """Restart the pods of a Deployment by a rolling update and wait for it."""

    deployment: ObjectName


class RestartDaemonset(InNamespace, frozen=True, kw_only=True, rename="camel"):
    """Restart the pods of a DaemonSet by a rolling update and wait for it."""

    daemonset: ObjectName


class UpdateImage(InNamespace, frozen=True, kw_only=True, rename="camel"):
    """Change the image of one container of a Deployment and wait for the rollout."""

    deployment: ObjectName
    container: Container
    new_image: Annotated[
        str, Meta(min_length=1, max_length=512, description="Image reference to run.")
    ]


class PatchDeployment(InNamespace, frozen=True, kw_only=True, rename="camel"):
    """Patch a Deployment, as `kubectl patch` does."""

    deployment: ObjectName
    patch_type: Annotated[
        Literal["strategic", "merge", "json"], Meta(description="How the patch is to be read.")
    ] = "strategic"
    patch: Annotated[
        str, Meta(min_length=2, max_length=32768, description="The patch, as YAML or JSON.")
    ]


class RollbackDeployment(InNamespace, frozen=True, kw_only=True, rename="camel"):
    """Go back to an earlier revision of a Deployment and wait for the rollout."""

    deployment: ObjectName
    revision: Annotated[int, Meta(ge=0, description="Revision; 0 for the one before.")] = 0


class IncreaseResources(InNamespace, frozen=True, kw_only=True, rename="camel"):
    """Raise requests and limits of one container of a Deployment and wait for the rollout."""

    deployment: ObjectName
    container: OnlyContainer = ""
    cpu_limit: Quantity | None = None
    memory_limit: Quantity | None = None
    cpu_request: Quantity | None = None
    memory_request: Quantity | None = None


class UpdateHpa(InNamespace, frozen=True, kw_only=True, rename="camel"):
    """Change the bounds of a HorizontalPodAutoscaler; one that is not given stays."""

    hpa: ObjectName
    min_replicas: Annotated[Replicas | None, Meta(description="Fewest replicas.")] = None
    max_replicas: Annotated[Replicas | None, Meta(description="Most replicas.")] = None


class MigrateWorkload(InNamespace, frozen=True, kw_only=True, rename="camel"):
    """Move the pods of a workload to one node and wait for the rollout."""

    workload: ObjectName
    kind: Annotated[
        Literal["Deployment", "StatefulSet"], Meta(description="Kind of the workload.")
    ] = "Deployment"
    target_node: Annotated[ObjectName, Meta(description="Node that is to run all pods.")]


class EnableDebugMode(InNamespace, frozen=True, kw_only=True, rename="camel"):
    """Set the log level of one container of a Deployment by its environment."""

    deployment: ObjectName
    container: OnlyContainer = ""
    variable: Annotated[
        str,
        Meta(
            max_length=128,
            pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
            description="Environment variable that says the level.",
        ),
    ] = "LOG_LEVEL"
    log_level: Annotated[str, Meta(max_length=64, description="Value of the variable.")] = "debug"


class RolloutStatus(InNamespace, frozen=True, kw_only=True, rename="camel"):
    """Wait until a Deployment is rolled out; changes nothing."""

    deployment: ObjectName
