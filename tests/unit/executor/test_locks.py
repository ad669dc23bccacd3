"""Who holds a target, whom that keeps waiting, and how an execution says so."""

from datetime import timedelta

import msgspec
import pytest

from services.executor.core import blocked, claims, locks, results
from services.executor.core.changes import Address
from services.executor.core.locks import Holder
from shared.api.enums import ExecutionKind, ExecutionPhase
from shared.api.execution import KubernetesExecution
from shared.api.groups import DEPLOYMENT
from shared.api.meta import LOCKED_BY_ANNOTATION, ConditionStatus
from shared.api.results import StepResult
from shared.ids import Uid
from tests.support.builders import NOW, execution_of, make_workflow, planned, scale_step
from tests.unit.executor.live import Object, live_deployment

OTHER_UID = Uid("0b5f7f0e-0000-4000-8000-000000000002")
STEPS = [scale_step(f"s{number}") for number in range(locks.KEPT + 3)]
OURS = planned(make_workflow(STEPS, name="ours"))
_theirs = make_workflow(STEPS, name="theirs")
THEIRS = planned(
    msgspec.structs.replace(
        _theirs, metadata=msgspec.structs.replace(_theirs.metadata, uid=OTHER_UID)
    )
)
MINE, ITS = execution_of(OURS, "s0"), execution_of(THEIRS, "s0")


def _holder(execution: KubernetesExecution) -> Holder:
    ref, meta = execution.spec.workflow_execution_ref, execution.metadata
    return Holder(namespace=meta.namespace, name=meta.name, workflow_uid=ref.uid)


def _target(text: str) -> Object:
    return live_deployment(annotations={LOCKED_BY_ANNOTATION: text})


def _locked_by(*executions: KubernetesExecution) -> Object:
    target = live_deployment()
    for execution in executions:
        target = _target(locks.held(target, execution))
    return target


def test_who_wrote_last_is_read_again() -> None:
    assert locks.holders_of(_locked_by(ITS)) == [_holder(ITS)]
    assert locks.others(_locked_by(ITS), MINE) == [_holder(ITS)]
    assert locks.others(_locked_by(MINE), MINE) == []


def test_a_target_is_held_by_who_took_it_and_by_who_did_beside_it() -> None:
    sibling = execution_of(THEIRS, "s1")

    assert locks.is_held_by(_locked_by(ITS, sibling), ITS)
    assert not locks.is_held_by(_locked_by(ITS, MINE), ITS)
    assert not locks.is_held_by(live_deployment(), ITS)


def test_executions_of_one_workflow_hold_a_target_together() -> None:
    sibling = execution_of(THEIRS, "s1")

    assert locks.others(_locked_by(ITS, sibling), MINE) == [_holder(sibling), _holder(ITS)]
    assert locks.holders_of(_locked_by(ITS, sibling, ITS)) == [_holder(ITS), _holder(sibling)]


def test_whoever_may_write_takes_the_place_of_another_workflow() -> None:
    assert locks.holders_of(_locked_by(ITS, MINE)) == [_holder(MINE)]


def test_holders_are_bounded_and_the_oldest_go() -> None:
    many = [execution_of(THEIRS, step.name) for step in STEPS]

    assert locks.holders_of(_locked_by(*many)) == [
        _holder(each) for each in reversed(many[-locks.KEPT :])
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rubbish",
        "a/b",
        "a/b/c/d",
        "a//c",
        "../secrets/x",
        "a/../u",
        "a/b?x=y/u",
        "A/b/u",
        "a/b/u u",
        ",,/,//",
        "a/b/u\n",
    ],
)
def test_what_a_person_broke_is_no_lock(text: str) -> None:
    assert locks.holders_of(_target(text)) == []


def test_a_target_without_annotations_is_free() -> None:
    assert locks.holders_of({"metadata": {"annotations": None}}) == []
    assert locks.holders_of({}) == []


@pytest.mark.parametrize("kind", list(ExecutionKind))
def test_an_unfinished_execution_of_another_workflow_blocks(kind: ExecutionKind) -> None:
    for phase in (ExecutionPhase.PENDING, ExecutionPhase.RUNNING):
        live = execution_of(THEIRS, "s0", phase=phase, kind=kind)

        assert locks.blocks(_holder(live), MINE, live)


@pytest.mark.parametrize(
    "live",
    [
        None,
        execution_of(THEIRS, "s0", phase=ExecutionPhase.COMPLETED),
        execution_of(THEIRS, "s0", phase=ExecutionPhase.FAILED),
        execution_of(THEIRS, "s0", phase=ExecutionPhase.CANCELLED),
        execution_of(OURS, "s0"),
    ],
    ids=["gone", "completed", "failed", "cancelled", "made again by another workflow"],
)
def test_what_has_ended_or_is_another_blocks_nobody(live: KubernetesExecution | None) -> None:
    assert not locks.blocks(_holder(ITS), MINE, live)


def test_a_workflow_does_not_block_itself() -> None:
    sibling = execution_of(OURS, "s1")

    assert not locks.blocks(_holder(sibling), MINE, sibling)


def test_waiting_names_the_holder() -> None:
    address = Address(kind=DEPLOYMENT, name="web", namespace="shop")

    assert locks.explain(address, ITS) == (
        "Deployment shop/web is held by workflow default/theirs, step s0"
    )


def _blocked(execution: KubernetesExecution, message: str) -> KubernetesExecution:
    status = blocked.blocked(execution, message, now=NOW)
    assert status is not None
    return msgspec.structs.replace(execution, status=status)


def test_a_blocked_execution_says_so_once_and_stays_unclaimed() -> None:
    waiting = _blocked(MINE, "held")

    (condition,) = waiting.status.conditions
    assert (condition.type, condition.status) == ("Blocked", ConditionStatus.TRUE)
    assert (condition.reason, condition.message) == ("TargetLocked", "held")
    assert not waiting.is_claimed
    assert waiting.status.phase is ExecutionPhase.PENDING
    assert blocked.blocked(waiting, "held", now=NOW) is None


def test_another_holder_is_named_but_the_wait_began_when_it_began() -> None:
    later = blocked.blocked(_blocked(MINE, "by a"), "by b", now=NOW + timedelta(seconds=9))

    assert later is not None
    (condition,) = later.conditions
    assert (condition.message, condition.last_transition_time) == ("by b", NOW)


def test_the_claim_ends_the_wait_and_the_end_keeps_the_story() -> None:
    waiting = _blocked(MINE, "held")
    began = NOW + timedelta(minutes=3)

    status = claims.claimed(waiting, holder="executor-0", now=began, inverse=None)

    (condition,) = status.conditions
    assert (condition.status, condition.reason) == (ConditionStatus.FALSE, "TargetFree")
    assert status.start_time == began
    claim = msgspec.structs.replace(waiting, status=status)
    ended = results.completed(claim, StepResult(success=True), now=began)
    assert [each.type for each in ended.conditions] == ["Blocked", "Completed"]


def test_who_never_waited_says_nothing_about_it() -> None:
    assert claims.claimed(MINE, holder="x", now=NOW, inverse=None).conditions == []
