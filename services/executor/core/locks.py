"""Who holds a target: the unfinished executions of the one workflow that wrote to it last.

They stand in an annotation, newest first, put there by the very request that changes the
target: `<namespace>/<execution>/<workflow uid>`. Nobody takes it away, since an execution that
has ended, or is gone, holds nothing.
"""

import re
from typing import Any, Final

import msgspec

from services.executor.core import operations
from services.executor.core.changes import Address
from shared.api.execution import KubernetesExecution
from shared.api.meta import LOCKED_BY_ANNOTATION

KEPT: Final = 16
"""More than one workflow has in flight on one target, unless somebody asks for that."""

_NAME: Final = r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"
_HOLDER: Final = re.compile(rf"({_NAME})/({_NAME})/([0-9a-z-]{{1,64}})")
"""Strict, because anybody may write an annotation and names become paths of requests."""


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """An execution that wrote to a target."""

    namespace: str
    name: str
    workflow_uid: str

    def __str__(self) -> str:
        """Return it as it stands in the annotation."""
        return f"{self.namespace}/{self.name}/{self.workflow_uid}"


def holders_of(target: dict[str, Any]) -> list[Holder]:
    """Return who is named on an object, newest first; what cannot be read is left out."""
    annotations = target.get("metadata", {}).get("annotations") or {}
    matches = (
        _HOLDER.fullmatch(part) for part in annotations.get(LOCKED_BY_ANNOTATION, "").split(",")
    )
    return [
        Holder(namespace=match[1], name=match[2], workflow_uid=match[3])
        for match in matches
        if match is not None
    ]


def others(target: dict[str, Any], execution: KubernetesExecution) -> list[Holder]:
    """Return who may keep this execution from the object: holders of another workflow."""
    own = execution.spec.workflow_execution_ref.uid
    return [holder for holder in holders_of(target) if holder.workflow_uid != own]


def blocks(
    holder: Holder, execution: KubernetesExecution, live: KubernetesExecution | None
) -> bool:
    """Return whether a holder, as it is now (None: gone), keeps an execution from its target."""
    return (
        live is not None
        and not live.is_terminal
        and live.spec.workflow_execution_ref.uid == holder.workflow_uid
        and execution.spec.workflow_execution_ref.uid != holder.workflow_uid
    )


def is_held_by(target: dict[str, Any], execution: KubernetesExecution) -> bool:
    """Return whether an execution is one of those that took an object last."""
    return _holder(execution) in holders_of(target)


def was_taken(target: dict[str, Any], execution: KubernetesExecution, *, since: str) -> bool:
    """Return whether another workflow wrote to an object that had the version `since`, or later.

    Whoever wrote last is named first among the operations, with the version it wrote on.
    """
    newest = next(iter(operations.read(target)), None)
    if newest is None or not others(target, execution):
        return False
    return _number(newest.version) >= _number(since)


def _holder(execution: KubernetesExecution) -> Holder:
    ref, meta = execution.spec.workflow_execution_ref, execution.metadata
    return Holder(namespace=meta.namespace, name=meta.name, workflow_uid=ref.uid)


def _number(version: str) -> int:
    """Return a version as a number: of one object, later is larger; of none, it is 0."""
    return int(version) if version.isdecimal() else 0


def held(target: dict[str, Any], execution: KubernetesExecution) -> str:
    """Return the annotation's value with this execution in front.

    Others of the same workflow stay, since they may still be in flight; those of another one
    go, since whoever may write found all of them ended.
    """
    own = _holder(execution)
    siblings = [
        known
        for known in holders_of(target)
        if known.workflow_uid == own.workflow_uid and known != own
    ]
    return ",".join(str(each) for each in [own, *siblings][:KEPT])


def explain(address: Address, holder: KubernetesExecution) -> str:
    """Return for whom somebody has to wait, as a sentence."""
    ref, namespace = holder.spec.workflow_execution_ref, holder.metadata.namespace
    return f"{address} is held by workflow {namespace}/{ref.name}, step {holder.spec.step_name}"
