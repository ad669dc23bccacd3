"""Parameters of the actions on storage."""

from typing import Annotated

from msgspec import Meta

from shared.api.actions.common import InNamespace, ObjectName
from shared.api.actions.workloads import Quantity


class ExpandPvc(InNamespace, frozen=True, kw_only=True, rename="camel"):
    """Make a PersistentVolumeClaim larger."""

    pvc: ObjectName
    size: Annotated[Quantity, Meta(description="Size to ask for; larger than now.")]
