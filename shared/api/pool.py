"""The ConcurrencyPool kind: how many steps may be in flight at once, over many workflows.

The pool `default` of a namespace is the ceiling of that namespace; the pool `cluster` in the
system namespace is the ceiling of all. People write the spec, the orchestrator the status.
"""

from datetime import datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from shared.api.groups import CONCURRENCY_POOL
from shared.api.meta import ObjectMeta

NAMESPACE_POOL: Final = "default"
CLUSTER_POOL: Final = "cluster"
SHORT_NAME: Final = "cpool"
MAX_LIMIT: Final = 1000
MAX_HOLDERS: Final = 2000
"""More than the limit, because a limit may be lowered; an object has to fit into etcd."""


class Holder(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who took a slot, and at which version of its workflow."""

    namespace: Annotated[str, Meta(max_length=63, description="Namespace of the workflow.")]
    workflow: Annotated[str, Meta(max_length=253, description="Name of the workflow.")]
    resource_version: Annotated[
        str,
        Meta(
            max_length=32,
            description="Version of the workflow that the step may be granted on, and no other.",
        ),
    ]
    since: Annotated[datetime, Meta(description="When the slot was taken.")]


class PoolSpec(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How much there is to share."""

    limit: Annotated[
        int,
        Meta(
            ge=1,
            le=MAX_LIMIT,
            description="Steps in flight at most; lowering it ends nothing that runs.",
        ),
    ]


class PoolStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who has a share of it."""

    in_use: Annotated[int, Meta(ge=0, description="Slots that are taken.")] = 0
    holders: Annotated[
        dict[str, Holder],
        Meta(
            max_length=MAX_HOLDERS,
            description="Slots that are taken, by workflow uid/step/attempt.",
        ),
    ] = {}


class ConcurrencyPool(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A ceiling for the steps in flight of a namespace, or of all."""

    api_version: str = CONCURRENCY_POOL.api_version
    kind: str = CONCURRENCY_POOL.kind
    metadata: ObjectMeta
    spec: PoolSpec
    status: PoolStatus = PoolStatus()
