"""Slots of a ConcurrencyPool: which are taken, and whose holder is to be dropped.

The rule R0 once more, one level up: a slot is confirmed before its token is written, and
the token is written only on the version of the workflow that the slot names. So every token
has a holder, and a holder whose version has passed without a token stands for nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from shared.api.enums import TERMINAL_PHASES, Phase
from shared.api.pool import MAX_HOLDERS, ConcurrencyPool, Holder, PoolStatus
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import WorkflowStatus
from shared.ids import Uid

_OVER: Final = TERMINAL_PHASES - {Phase.DEGRADED}
"""Nothing is granted any more; a Degraded workflow may be sent forward again."""


class Slot(msgspec.Struct, frozen=True):
    """What one token needs of each pool."""

    step: str
    attempt: int


class Owner(msgspec.Struct, frozen=True):
    """A workflow that holds slots."""

    uid: Uid
    namespace: str
    name: str


def owner_of(workflow: WorkflowExecution) -> Owner:
    """Return a workflow as its holders name it."""
    meta = workflow.metadata
    return Owner(meta.uid, meta.namespace, meta.name)


def wanted(workflow: WorkflowExecution, after: WorkflowStatus | None) -> list[Slot]:
    """Return the slots that a decision needs for its new tokens, in the order of the plan."""
    before = workflow.status.tokens
    fresh = [
        (token.fence, Slot(name, token.attempt))
        for name, token in (after.tokens if after else {}).items()
        if name not in before or before[name].attempt != token.attempt
    ]
    return [slot for _, slot in sorted(fresh, key=lambda pair: pair[0])]


def taken(
    pool: ConcurrencyPool, workflow: WorkflowExecution, slots: Sequence[Slot], *, now: datetime
) -> tuple[PoolStatus, list[Slot]]:
    """Return the pool with slots for a workflow, and those of them that found a place."""
    holders = settled(pool, workflow, now=now)
    placed = []
    for slot in slots:
        key = _key(workflow, slot)
        if key not in holders and len(holders) >= pool.spec.limit:
            continue
        holders.setdefault(key, _holder(workflow, now))
        placed.append(slot)
    return _status(pool, holders), placed


def settled(
    pool: ConcurrencyPool, workflow: WorkflowExecution, *, now: datetime
) -> dict[str, Holder]:
    """Return the holders with those of one workflow put right.

    What it took on another version and was not granted is dropped, and tokens that are older
    than the pool are counted. Only to be written when the workflow was read after the pool,
    or the holders of a faster replica might be lost.
    """
    holders = _without_void(pool, {workflow.metadata.uid: workflow})
    for name, token in workflow.status.tokens.items():
        if len(holders) < MAX_HOLDERS:
            key = _key(workflow, Slot(name, token.attempt))
            holders.setdefault(key, _holder(workflow, now))
    return holders


def tidied(
    pool: ConcurrencyPool, live: Mapping[Uid, WorkflowExecution | None]
) -> PoolStatus | None:
    """Return the pool without holders that stand for nothing, or None if there are none.

    Args:
        pool: as read before any of the workflows.
        live: what is there now of some workflows, by uid; None for one that is gone.
    """
    status = _status(pool, _without_void(pool, live))
    return None if status == pool.status else status


def holds_any(pool: ConcurrencyPool, uid: Uid) -> bool:
    """Return whether a workflow holds a slot."""
    return any(_uid(key) == uid for key in pool.status.holders)


def suspects(pool: ConcurrencyPool, *, after: str, at_most: int) -> list[Owner]:
    """Return some workflows that hold slots, by uid; beginning behind one, and round again."""
    owners = {
        _uid(key): Owner(_uid(key), holder.namespace, holder.workflow)
        for key, holder in pool.status.holders.items()
    }
    ordered = sorted(owners)
    turned = [uid for uid in ordered if uid > after] + [uid for uid in ordered if uid <= after]
    return [owners[uid] for uid in turned[:at_most]]


def _without_void(
    pool: ConcurrencyPool, live: Mapping[Uid, WorkflowExecution | None]
) -> dict[str, Holder]:
    return {
        key: holder
        for key, holder in pool.status.holders.items()
        if _uid(key) not in live or not _is_void(key, holder, live[_uid(key)])
    }


def _is_void(key: str, holder: Holder, workflow: WorkflowExecution | None) -> bool:
    if workflow is None or workflow.status.phase in _OVER:
        return True
    tokens = workflow.status.tokens.items()
    if key in {_key(workflow, Slot(name, token.attempt)) for name, token in tokens}:
        return False
    return holder.resource_version != workflow.metadata.resource_version


def _status(pool: ConcurrencyPool, holders: dict[str, Holder]) -> PoolStatus:
    return msgspec.structs.replace(pool.status, holders=holders, in_use=len(holders))


def _key(workflow: WorkflowExecution, slot: Slot) -> str:
    return f"{workflow.metadata.uid}/{slot.step}/{slot.attempt}"


def _uid(key: str) -> Uid:
    return Uid(key.partition("/")[0])


def _holder(workflow: WorkflowExecution, now: datetime) -> Holder:
    meta = workflow.metadata
    return Holder(
        namespace=meta.namespace,
        workflow=meta.name,
        resource_version=meta.resource_version,
        since=now,
    )
