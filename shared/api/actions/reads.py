"""Parameters of the actions that only look, or only tell."""

from typing import Annotated

import msgspec
from msgspec import Meta

from shared.api.actions.common import TargetResource


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


class CollectDiagnostics(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Write down how an object and its pods are; changes nothing."""

    target_resource: Annotated[
        TargetResource,
        Meta(description="The object to look at: Deployment, StatefulSet, DaemonSet or Pod."),
    ]


class NotifyOnly(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Tell people something; changes nothing in the cluster."""

    message: Annotated[str, Meta(min_length=1, max_length=1024, description="What to say.")]
