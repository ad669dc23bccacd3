"""What every Kubernetes object of ours has: metadata, conditions, references.

Only the fields that are read or written here are typed; the API server keeps the rest.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from shared.ids import Uid

WORKFLOW_LABEL: Final = "kubernaut.ai/workflow"
WORKFLOW_UID_LABEL: Final = "kubernaut.ai/workflow-uid"
STEP_LABEL: Final = "kubernaut.ai/step"
EXECUTION_LABEL: Final = "kubernaut.ai/execution"
ACTION_LABEL: Final = "kubernaut.ai/action"
ROLLBACK_LABEL: Final = "rollback"
CORRELATION_ANNOTATION: Final = "kubernaut.ai/correlationID"
SUBMITTED_BY_ANNOTATION: Final = "kubernaut.ai/submitted-by"
"""User who created a workflow; the API server sets it, nobody else can."""
OVERRIDE_ANNOTATION: Final = "kubernaut.io/override-condition"
"""Types of conditions, with commas between them, that need not hold; set by operators."""
ON_DRIFT_ANNOTATIONS: Final = "kubernaut.io/on-drift."
"""And the name of a step with `onDrift: ask`: force or skip, a person's answer."""
OVERRIDDEN_BY_ANNOTATION: Final = "kubernaut.ai/overridden-by"
"""User who last changed that; the API server sets it, nobody else can."""
LAST_OPERATIONS_ANNOTATION: Final = "kubernaut.ai/last-operations"
LOCKED_BY_ANNOTATION: Final = "kubernaut.ai/locked-by"
QUARANTINE_LABEL: Final = "kubernaut.ai/quarantine"
"""On a pod that is cut off; its value is the uid of the pod."""
"""Executions, all of one workflow, that changed a target last; it is theirs until they end."""


class OwnerReference(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A reference that makes the garbage collector delete the child with its owner."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False
    block_owner_deletion: bool = False


class ObjectMeta(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The part of metadata that is read or written here."""

    name: str = ""
    namespace: str = ""
    uid: Uid = Uid("")
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: list[OwnerReference] = []


class ConditionStatus(StrEnum):
    """The three values of a Kubernetes condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A standard Kubernetes condition, keyed by its type."""

    type: Annotated[str, Meta(max_length=64, description="Name of the condition.")]
    status: Annotated[ConditionStatus, Meta(description="True, False or Unknown.")]
    observed_generation: Annotated[
        int, Meta(ge=0, description="Generation of the spec that this condition speaks of.")
    ] = 0
    last_transition_time: Annotated[
        datetime | None, Meta(description="When the status last changed.")
    ] = None
    reason: Annotated[
        str, Meta(max_length=64, description="CamelCase word from a closed list.")
    ] = ""
    message: Annotated[str, Meta(max_length=1024, description="Sentence for people.")] = ""


class NamedRef(msgspec.Struct, frozen=True, kw_only=True):
    """An object of a known kind, by name and identity."""

    name: Annotated[str, Meta(max_length=253, description="Name of the object.")]
    namespace: Annotated[str, Meta(max_length=63, description="Namespace of the object.")] = ""
    uid: Annotated[
        str, Meta(max_length=64, description="Identity; a recreated object has another.")
    ] = ""
