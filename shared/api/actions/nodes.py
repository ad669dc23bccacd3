"""Parameters of the actions on nodes."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from shared.api.actions.common import Grace, Key, ObjectName

Effect = Annotated[
    Literal["NoSchedule", "PreferNoSchedule", "NoExecute"],
    Meta(description="What the taint does to pods that do not tolerate it."),
]


class OnNode(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Parameters of an action that is about a node."""

    node: ObjectName


class CordonNode(OnNode, frozen=True, kw_only=True, rename="camel"):
    """Let no more pods be scheduled to a node."""


class UncordonNode(OnNode, frozen=True, kw_only=True, rename="camel"):
    """Let pods be scheduled to a node again."""


class DrainNode(OnNode, frozen=True, kw_only=True, rename="camel"):
    """Cordon a node, and evict its pods as their disruption budgets allow."""

    grace_period_seconds: Annotated[
        Grace | None, Meta(description="Seconds that pods get to end; each its own by default.")
    ] = None
    force: Annotated[
        bool, Meta(description="Evict pods without a controller too: nobody brings them back.")
    ] = False
    delete_local_data: Annotated[
        bool, Meta(description="Evict pods with emptyDir volumes too: their data is lost.")
    ] = False
    ignore_daemon_sets: Annotated[
        bool, Meta(description="Leave pods of DaemonSets alone instead of refusing to drain.")
    ] = True


class TaintNode(OnNode, frozen=True, kw_only=True, rename="camel"):
    """Put a taint on a node."""

    key: Key
    value: Annotated[str, Meta(max_length=63, description="Value of the taint.")] = ""
    effect: Effect


class UntaintNode(OnNode, frozen=True, kw_only=True, rename="camel"):
    """Take a taint off a node."""

    key: Key
    effect: Effect
