"""Slots of a pool: who gets them, whose holder is dropped, and what is left alone.

Covered: plan order, full pools, slots of another version, tokens older than the pool,
workflows that are gone, over or Degraded, whom a full pool is searched for, and a replica
that is late.
"""

from collections.abc import Mapping
from datetime import timedelta

import msgspec
import pytest

from services.orchestrator.core.decide import decide
from services.orchestrator.core.pools import (
    Owner,
    Slot,
    holds_any,
    owner_of,
    suspects,
    taken,
    tidied,
    wanted,
)
from services.orchestrator.pools import Pools
from shared.api.enums import Phase
from shared.api.groups import CONCURRENCY_POOL, WORKFLOW_EXECUTION
from shared.api.meta import ObjectMeta
from shared.api.pool import NAMESPACE_POOL, ConcurrencyPool, Holder, PoolSpec, PoolStatus
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import Token, WorkflowStatus
from shared.ids import Uid
from shared.kube.apply import to_json
from tests.support import virtual_time
from tests.support.builders import NOW, UID, make_workflow, planned, scale_step
from tests.support.ceilings import context_on
from tests.support.stepped import SteppedCluster

NAMES = ("a", "b", "c")
SLOTS = [Slot(name, 1) for name in NAMES]


def test_a_decision_wants_a_slot_for_each_new_token_in_plan_order() -> None:
    workflow = with_tokens(three_steps(), "b")

    assert wanted(workflow, decide(workflow, {}, now=NOW, limit=5)) == [Slot("a", 1), Slot("c", 1)]
    assert wanted(workflow, None) == []


def test_steps_without_a_slot_stay_queued_and_nothing_else_changes() -> None:
    workflow = three_steps()

    some = decide(workflow, {}, now=NOW, limit=5, only=frozenset({"b"}))
    none = decide(workflow, {}, now=NOW, limit=5, only=frozenset())

    assert some is not None
    assert some.tokens.keys() == {"b"}
    assert (some.active_steps, some.queued_steps) == (1, 2)
    assert none == msgspec.structs.replace(workflow.status, queued_steps=3)


def test_what_is_free_goes_to_the_first_in_the_plan() -> None:
    status, placed = taken(pool(2), three_steps(), SLOTS, now=NOW)

    assert placed == SLOTS[:2]
    assert status.in_use == 2
    assert status.holders == {key("a"): holder("1"), key("b"): holder("1")}


def test_a_slot_taken_on_this_version_is_not_taken_again() -> None:
    held = pool(1, {key("a"): holder("1")})

    assert taken(held, three_steps(), SLOTS, now=NOW + timedelta(1)) == (held.status, SLOTS[:1])


def test_a_lowered_limit_takes_nothing_away() -> None:
    others = {f"other/{name}/1": holder("9") for name in NAMES}

    status, placed = taken(pool(1, others), three_steps(), SLOTS, now=NOW)

    assert placed == []
    assert status.holders == others


def test_what_was_taken_on_another_version_makes_room() -> None:
    status, placed = taken(pool(1, {key("c"): holder("0")}), three_steps(), SLOTS, now=NOW)

    assert placed == SLOTS[:1]
    assert status.holders.keys() == {key("a")}


def test_tokens_older_than_the_pool_are_counted() -> None:
    status, placed = taken(pool(2), with_tokens(three_steps(), "a", "b"), SLOTS[2:], now=NOW)

    assert placed == []
    assert status.holders.keys() == {key("a"), key("b")}


@pytest.mark.parametrize(
    ("version", "phase", "tokens", "kept"),
    [
        pytest.param("1", Phase.EXECUTING, "", True, id="may still be granted"),
        pytest.param("2", Phase.EXECUTING, "", False, id="its version has passed"),
        pytest.param("2", Phase.EXECUTING, "a", True, id="was granted"),
        pytest.param("1", Phase.DEGRADED, "", True, id="may be sent forward again"),
        pytest.param("1", Phase.COMPLETED, "", False, id="over"),
    ],
)
def test_a_holder_is_kept_while_its_token_is_there_or_may_come(
    version: str, phase: Phase, tokens: str, kept: bool
) -> None:
    workflow = with_tokens(three_steps(version=version, phase=phase), *tokens)
    before = pool(3, {key("a"): holder("1"), "other/a/1": holder("1")})

    after = tidied(before, {UID: workflow}) or before.status

    assert after.holders.keys() == ({key("a"), "other/a/1"} if kept else {"other/a/1"})
    assert after.in_use == len(after.holders)


def test_the_token_of_another_attempt_keeps_no_holder() -> None:
    workflow = with_tokens(three_steps(version="2"), "a", attempt=2)

    assert tidied(pool(3, {key("a"): holder("1")}), {UID: workflow}) == PoolStatus()


def test_what_a_workflow_held_that_is_gone_is_dropped() -> None:
    before = pool(3, {key("a"): holder("1")})

    assert holds_any(before, UID)
    assert tidied(before, {UID: None}) == PoolStatus()
    assert tidied(before, {Uid("other"): None}) is None


def test_all_holders_are_looked_at_in_turn() -> None:
    full = pool(9, {f"u{n}/{step}/1": holder("1") for n in range(5) for step in "ab"})

    first = suspects(full, after="", at_most=3)
    second = suspects(full, after=first[-1].uid, at_most=3)

    assert [owner.uid for owner in first + second] == ["u0", "u1", "u2", "u3", "u4", "u0"]
    assert first[0] == Owner(Uid("u0"), "default", "fix")


def test_a_replica_that_is_late_takes_nothing_from_a_faster_one() -> None:
    async def late() -> tuple[frozenset[str], PoolStatus]:
        cluster = SteppedCluster(lambda _before, _after: None)
        cluster.free = True
        workflow = three_steps()
        place = (WORKFLOW_EXECUTION.plural, "default", "fix")
        cluster.put(place, to_json(workflow))
        now = cluster.objects[place]["metadata"]["resourceVersion"]
        held = pool(3, {key("a"): holder(now)})
        cluster.put((CONCURRENCY_POOL.plural, "default", NAMESPACE_POOL), to_json(held))

        older = three_steps(version="0")
        admission = await Pools(context_on(cluster)).admit(older, granting)

        assert admission is not None
        raw = cluster.objects[CONCURRENCY_POOL.plural, "default", NAMESPACE_POOL]
        return admission.steps, msgspec.convert(raw["status"], PoolStatus)

    steps, status = virtual_time.run(late())

    assert steps == frozenset()
    assert status.holders.keys() == {key("a")}
    assert status.holders[key("a")].resource_version == "1"


def test_what_is_left_by_the_dead_is_found_by_who_meets_a_full_pool() -> None:
    async def met() -> frozenset[str]:
        cluster = SteppedCluster(lambda _before, _after: None)
        cluster.free = True
        left = pool(2, {"dead/a/1": holder("1"), "dead/b/1": holder("1")})
        cluster.put((CONCURRENCY_POOL.plural, "default", NAMESPACE_POOL), to_json(left))
        pools = Pools(context_on(cluster))
        workflow = three_steps()
        admission = await pools.admit(workflow, granting)
        await pools.tidy(owner_of(workflow))
        assert admission is not None
        return admission.steps

    assert virtual_time.run(met()) == {"a", "b"}


def granting(workflow: WorkflowExecution, only: frozenset[str] | None) -> WorkflowStatus | None:
    return decide(workflow, {}, now=NOW, limit=5, only=only)


def three_steps(*, version: str = "1", phase: Phase = Phase.EXECUTING) -> WorkflowExecution:
    workflow = planned(make_workflow([scale_step(name) for name in NAMES]))
    return msgspec.structs.replace(
        workflow,
        metadata=msgspec.structs.replace(workflow.metadata, resource_version=version),
        status=msgspec.structs.replace(workflow.status, phase=phase),
    )


def with_tokens(workflow: WorkflowExecution, *steps: str, attempt: int = 1) -> WorkflowExecution:
    tokens = {name: Token(attempt=attempt, fence=1, granted_at=NOW) for name in steps}
    return msgspec.structs.replace(
        workflow, status=msgspec.structs.replace(workflow.status, tokens=tokens)
    )


def pool(limit: int, holders: Mapping[str, Holder] | None = None) -> ConcurrencyPool:
    held = dict(holders or {})
    return ConcurrencyPool(
        metadata=ObjectMeta(name=NAMESPACE_POOL, namespace="default", uid=Uid("pool")),
        spec=PoolSpec(limit=limit),
        status=PoolStatus(holders=held, in_use=len(held)),
    )


def key(step: str) -> str:
    return f"{UID}/{step}/1"


def holder(version: str) -> Holder:
    return Holder(namespace="default", workflow="fix", resource_version=version, since=NOW)
