"""Parameters of the actions on single pods."""

from typing import Annotated

import msgspec
from msgspec import Meta

from shared.api.actions.common import Grace, InNamespace, ObjectName, OptionalName


class RestartPod(InNamespace, frozen=True, kw_only=True, rename="camel"):
    """Delete pods one after the other, each time waiting for a ready one in its place.

    One of `pod`, `selector` and `deployment` says which.
    """

    pod: OptionalName = ""
    selector: Annotated[
        dict[str, Annotated[str, Meta(max_length=63)]],
        Meta(max_length=16, description="Labels of the pods."),
    ] = msgspec.field(default_factory=dict)
    deployment: OptionalName = ""
    grace_period_seconds: Grace = 30


class DeletePod(InNamespace, frozen=True, kw_only=True, rename="camel"):
    """Delete a pod; what brings it back is its controller, if it has one."""

    pod: ObjectName
    grace_period_seconds: Grace = 30


class QuarantinePod(InNamespace, frozen=True, kw_only=True, rename="camel"):
    """Cut a pod off from the network, but for DNS and what other policies allow; it runs on."""

    pod: ObjectName
