"""The ledger: what is granted, kept and released."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from services.orchestrator.core import settle
from services.orchestrator.core.decide import SETTLING, decide, next_start
from services.orchestrator.core.grants import forward_execution
from shared.api.enums import (
    TERMINAL_PHASES,
    Control,
    ExecutionKind,
    ExecutionMode,
    ExecutionPhase,
    Intent,
    Phase,
    StepPhase,
    StepReason,
)
from shared.api.meta import NamedRef
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import ExecutionStrategy
from shared.api.workflow_status import Approval, ControlStatus
from shared.workflow.phases import derive
from tests.support.builders import (
    NOW,
    by_name,
    diamond,
    execution_of,
    forward_name,
    make_workflow,
    planned,
    scale_step,
    with_steps,
)


def granted(workflow: WorkflowExecution, limit: int = 5) -> WorkflowExecution:
    status = decide(workflow, {}, now=NOW, limit=limit)
    assert status is not None
    return msgspec.structs.replace(workflow, status=status)


@pytest.mark.parametrize("wanted", [False, True])
def test_row_75_what_goes_forward_is_tried_first_where_the_workflow_wants_that(
    wanted: bool,
) -> None:
    strategy = ExecutionStrategy(dry_run_first=wanted)
    workflow = granted(planned(make_workflow([scale_step("a")], strategy=strategy)))

    [order] = settle.orders(workflow, {})

    assert isinstance(order, settle.Create)
    assert order.execution.spec.dry_run is wanted


def test_what_settles_a_lost_execution_is_not_tried_first() -> None:
    strategy = ExecutionStrategy(dry_run_first=True)
    workflow = planned(make_workflow([scale_step("a")], strategy=strategy))

    settling = forward_execution(
        workflow, "a", attempt=1, fence=2, kind=ExecutionKind.SETTLE, intent=Intent.SETTLE
    )

    assert settling.spec.dry_run is False


def test_only_steps_without_open_needs_are_granted() -> None:
    workflow = granted(planned(make_workflow(diamond())))

    assert set(workflow.status.tokens) == {"a"}
    assert workflow.status.active_steps == 1
    assert workflow.status.queued_steps == 0


def test_the_limit_is_never_exceeded_and_the_rest_queues_in_plan_order() -> None:
    workflow = granted(planned(make_workflow([scale_step(f"s{i}") for i in range(8)])))

    assert list(workflow.status.tokens) == ["s0", "s1", "s2", "s3", "s4"]
    assert [token.fence for token in workflow.status.tokens.values()] == [1, 2, 3, 4, 5]
    assert (workflow.status.active_steps, workflow.status.queued_steps) == (5, 3)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (ExecutionStrategy(max_parallel_steps=2), 2),
        (ExecutionStrategy(max_parallel_steps=50), 5),
        (ExecutionStrategy(mode=ExecutionMode.SEQUENTIAL), 1),
    ],
    ids=["lower wins", "service limit holds", "sequential is one"],
)
def test_the_smaller_limit_holds(strategy: ExecutionStrategy, expected: int) -> None:
    steps = [scale_step(f"s{i}") for i in range(8)]
    workflow = granted(planned(make_workflow(steps, strategy=strategy)))

    assert len(workflow.status.tokens) == expected


def test_as_two_finish_two_start_in_one_write() -> None:
    workflow = granted(planned(make_workflow([scale_step(f"s{i}") for i in range(8)])))
    done = by_name(
        *(execution_of(workflow, s, phase=ExecutionPhase.COMPLETED) for s in ("s1", "s3"))
    )
    judged = with_steps(workflow, {"s1": StepPhase.COMPLETED, "s3": StepPhase.COMPLETED})

    status = decide(judged, done, now=NOW, limit=5)

    assert status is not None
    assert list(status.tokens) == ["s0", "s2", "s4", "s5", "s6"]
    assert status.last_fence == 7


def test_a_token_is_kept_until_its_execution_is_terminal() -> None:
    workflow = granted(planned(make_workflow(diamond())))
    running = by_name(execution_of(workflow, "a", phase=ExecutionPhase.RUNNING, claimed=True))
    claimed_done = with_steps(workflow, {"a": StepPhase.COMPLETED})

    status = decide(claimed_done, running, now=NOW, limit=5)

    assert status is not None
    assert "a" in status.tokens


def test_a_lowered_limit_starts_nothing_and_kills_nothing() -> None:
    steps = [scale_step(f"s{i}") for i in range(8)]
    workflow = granted(planned(make_workflow(steps)))

    assert decide(workflow, {}, now=NOW, limit=2) is None


def test_after_a_critical_failure_nothing_starts_and_pending_steps_are_skipped() -> None:
    workflow = granted(planned(make_workflow([scale_step("a"), scale_step("b", needs=["a"])])))
    failed = with_steps(workflow, {"a": StepPhase.FAILED})
    ended = by_name(execution_of(workflow, "a", phase=ExecutionPhase.FAILED))

    status = decide(failed, ended, now=NOW, limit=5)

    assert status is not None
    assert status.tokens == {}
    assert [step.phase for step in status.steps] == [StepPhase.FAILED, StepPhase.SKIPPED]


def test_a_tolerated_failure_skips_its_dependents_only() -> None:
    steps = [
        scale_step("a", critical=False),
        scale_step("b", needs=["a"]),
        scale_step("c", needs=["b"]),
        scale_step("d"),
    ]
    workflow = with_steps(planned(make_workflow(steps)), {"a": StepPhase.FAILED})

    status = decide(workflow, {}, now=NOW, limit=5)

    assert status is not None
    assert set(status.tokens) == {"d"}
    assert derive(workflow, status, now=NOW).skipped_steps == 2


def test_an_unclaimed_execution_of_an_unwanted_step_is_revoked() -> None:
    workflow = granted(planned(make_workflow([scale_step("a"), scale_step("b")])))
    failing = with_steps(workflow, {"a": StepPhase.FAILED})
    waiting = execution_of(workflow, "b")

    orders = settle.orders(failing, by_name(waiting))

    assert settle.Revoke(execution=waiting) in orders


def test_an_unwanted_token_without_execution_gets_a_tombstone() -> None:
    workflow = granted(planned(make_workflow([scale_step("a"), scale_step("b")])))
    failing = with_steps(workflow, {"a": StepPhase.FAILED})
    steps = [
        msgspec.structs.replace(s, execution_ref=NamedRef(name="x")) for s in failing.status.steps
    ]
    failing = msgspec.structs.replace(
        failing, status=msgspec.structs.replace(failing.status, steps=steps)
    )

    created = [o for o in settle.orders(failing, {}) if isinstance(o, settle.Create)]

    assert {o.execution.spec.intent for o in created} == {Intent.VOID}


def test_a_wanted_token_whose_execution_nobody_saw_is_created_again() -> None:
    workflow = granted(planned(make_workflow(diamond())))

    (order,) = settle.orders(workflow, {})

    assert isinstance(order, settle.Create)
    assert order.execution.metadata.name == forward_name(workflow, "a")
    assert order.execution.spec.intent is Intent.RUN


def test_a_deleted_execution_is_settled_under_a_new_fence_never_run_again() -> None:
    workflow = granted(planned(make_workflow(diamond())))
    deleted = frozenset({forward_name(workflow, "a")})

    status = decide(workflow, {}, now=NOW, limit=5, deleted=deleted)

    assert status is not None
    assert status.tokens["a"].fence == 2
    assert status.steps[0].message == SETTLING
    (order,) = settle.orders(msgspec.structs.replace(workflow, status=status), {})
    assert isinstance(order, settle.Create)
    assert order.execution.spec.kind is ExecutionKind.SETTLE
    assert order.execution.spec.intent is Intent.SETTLE
    assert order.execution.metadata.name != forward_name(workflow, "a")


def test_one_created_again_after_its_deletion_says_nothing() -> None:
    workflow = granted(planned(make_workflow([scale_step("a")])))
    status = decide(
        workflow, {}, now=NOW, limit=5, deleted=frozenset({forward_name(workflow, "a")})
    )
    assert status is not None
    fenced_anew = msgspec.structs.replace(workflow, status=status)
    late = by_name(execution_of(workflow, "a"))

    order, revoked = settle.orders(fenced_anew, late)

    assert isinstance(order, settle.Create)
    assert order.execution.spec.kind is ExecutionKind.SETTLE
    assert isinstance(revoked, settle.Revoke)
    cancelled = by_name(execution_of(workflow, "a", phase=ExecutionPhase.CANCELLED))
    assert decide(fenced_anew, cancelled, now=NOW, limit=5) is None


def test_a_late_claim_keeps_the_token_until_it_is_revoked() -> None:
    """Two that were held up: one created it again, and an executor took it up in time."""
    workflow = granted(planned(make_workflow([scale_step("a")])))
    status = decide(
        workflow, {}, now=NOW, limit=5, deleted=frozenset({forward_name(workflow, "a")})
    )
    assert status is not None
    judged = with_steps(msgspec.structs.replace(workflow, status=status), {"a": StepPhase.FAILED})
    late = execution_of(workflow, "a", claimed=True)
    settled = execution_of(workflow, "a", phase=ExecutionPhase.FAILED, kind=ExecutionKind.SETTLE)

    (revoked,) = settle.orders(judged, by_name(late, settled))
    kept = decide(judged, by_name(late, settled), now=NOW, limit=5)
    ended = execution_of(workflow, "a", phase=ExecutionPhase.CANCELLED)
    after = decide(judged, by_name(ended, settled), now=NOW, limit=5)

    assert revoked == settle.Revoke(execution=late)
    assert kept is None or "a" in kept.tokens
    assert after is not None
    assert after.tokens == {}


@pytest.mark.parametrize(("attempt", "phase"), [(1, StepPhase.SKIPPED), (2, StepPhase.FAILED)])
def test_what_was_tried_and_failed_is_not_skipped_since_its_next_try_was_revoked(
    attempt: int, phase: StepPhase
) -> None:
    workflow = granted(planned(make_workflow([scale_step("a")])))
    token = msgspec.structs.replace(workflow.status.tokens["a"], attempt=attempt)
    steps = [msgspec.structs.replace(workflow.status.steps[0], attempts=attempt)]
    status = msgspec.structs.replace(
        workflow.status,
        steps=steps,
        tokens={"a": token},
        control=ControlStatus(stop=Control.CANCEL),
    )
    workflow = msgspec.structs.replace(workflow, status=status)
    revoked = execution_of(workflow, "a", attempt=attempt, phase=ExecutionPhase.CANCELLED)

    after = decide(workflow, by_name(revoked), now=NOW, limit=5)

    assert after is not None
    (step,) = after.steps
    assert (step.phase, step.reason) == (phase, StepReason.CANCELLED)
    assert after.tokens == {}


def test_what_an_older_read_did_not_find_may_have_been_created_since() -> None:
    workflow = granted(planned(make_workflow([scale_step("a")])))
    seen = with_steps(workflow, {"a": StepPhase.COMPLETED})
    steps = [msgspec.structs.replace(step, start_time=NOW) for step in seen.status.steps]
    seen = msgspec.structs.replace(seen, status=msgspec.structs.replace(seen.status, steps=steps))

    assert decide(seen, {}, now=NOW, limit=5) is not None
    assert decide(seen, {}, now=NOW, limit=5, read_after="an older version") is None


def test_deciding_twice_changes_nothing_more() -> None:
    workflow = granted(planned(make_workflow(diamond())))

    assert decide(workflow, {}, now=NOW, limit=5) is None


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.PLANNING, *sorted(TERMINAL_PHASES)])
def test_nothing_is_granted_before_and_after(phase: Phase) -> None:
    workflow = planned(make_workflow(diamond()))
    moved = msgspec.structs.replace(
        workflow, status=msgspec.structs.replace(workflow.status, phase=phase)
    )

    assert decide(moved, {}, now=NOW, limit=5) is None


@pytest.mark.parametrize(
    "held",
    [
        {"control": ControlStatus(paused=True)},
        {"approval": Approval(required=True)},
        {"timed_out_at": NOW},
    ],
    ids=["paused", "not approved", "timed out"],
)
def test_nothing_is_granted_while_something_holds_it(held: dict[str, Any]) -> None:
    workflow = planned(make_workflow(diamond()))
    moved = msgspec.structs.replace(
        workflow, status=msgspec.structs.replace(workflow.status, **held)
    )

    status = decide(moved, {}, now=NOW, limit=5)

    assert status is None or not status.tokens


def test_row_58_a_failed_attempt_gives_its_token_back_and_waits_for_its_time() -> None:
    workflow = granted(planned(make_workflow([scale_step("a")])))
    ended = by_name(execution_of(workflow, "a", phase=ExecutionPhase.FAILED))
    waiting = retrying(workflow, at=NOW + timedelta(seconds=30))

    released = decide(waiting, ended, now=NOW + timedelta(seconds=29), limit=5)

    assert released is not None
    assert released.tokens == {}
    later = msgspec.structs.replace(waiting, status=released)
    assert next_start(later) == NOW + timedelta(seconds=30)
    assert decide(later, ended, now=NOW + timedelta(seconds=29), limit=5) is None
    again = decide(later, ended, now=NOW + timedelta(seconds=30), limit=5)
    assert again is not None
    assert again.tokens["a"].attempt == 2
    assert again.tokens["a"].fence == 2
    assert again.steps[0].retries_attempted == 1
    (order,) = settle.orders(msgspec.structs.replace(later, status=again), {})
    assert isinstance(order, settle.Create)
    assert order.execution.metadata.name == forward_name(workflow, "a", attempt=2)


def test_what_waits_to_be_tried_again_fails_when_the_workflow_stops() -> None:
    workflow = granted(planned(make_workflow([scale_step("a"), scale_step("b")])))
    waiting = retrying(workflow, at=NOW + timedelta(seconds=30))
    stopped = with_steps(waiting, {"b": StepPhase.FAILED})
    ended = by_name(
        *(execution_of(workflow, name, phase=ExecutionPhase.FAILED) for name in ("a", "b"))
    )

    status = decide(stopped, ended, now=NOW, limit=5)

    assert status is not None
    assert status.steps[0].phase is StepPhase.FAILED
    assert next_start(msgspec.structs.replace(stopped, status=status)) is None


def test_a_step_that_fails_as_it_would_start_stops_the_others() -> None:
    wrong = msgspec.structs.replace(scale_step("a"), run_if="1 / 0 == 1")
    workflow = planned(make_workflow([wrong, scale_step("b")]))

    status = decide(workflow, {}, now=NOW, limit=5)

    assert status is not None
    assert status.tokens == {}
    assert status.steps[0].reason is StepReason.INVALID_EXPRESSION
    assert [step.phase for step in status.steps] == [StepPhase.FAILED, StepPhase.SKIPPED]


def retrying(workflow: WorkflowExecution, *, at: datetime) -> WorkflowExecution:
    """Return the workflow with its first step judged: to be tried again."""
    first, *others = workflow.status.steps
    again = msgspec.structs.replace(
        first, phase=StepPhase.PENDING, reason=StepReason.RETRYING, next_attempt_time=at
    )
    status = msgspec.structs.replace(workflow.status, steps=[again, *others])
    return msgspec.structs.replace(workflow, status=status)


@pytest.mark.parametrize(
    ("condition", "runs"),
    [
        ({"run_if": "1 + 1 == 2"}, True),
        ({"run_if": "1 + 1 == 3"}, False),
        ({"skip_if": "1 + 1 == 2"}, False),
        ({"skip_if": "1 + 1 == 3"}, True),
        ({"run_if": "true", "skip_if": "true"}, False),
    ],
)
def test_row_92_a_step_that_is_not_needed_frees_its_dependents_at_once(
    condition: dict[str, str], runs: bool
) -> None:
    conditional = msgspec.structs.replace(scale_step("a"), **condition)
    workflow = planned(make_workflow([conditional, scale_step("b", needs=["a"])]))

    status = decide(workflow, {}, now=NOW, limit=5)

    assert status is not None
    assert set(status.tokens) == ({"a"} if runs else {"b"})
    first = status.steps[0]
    assert (first.phase, first.reason) == (
        (StepPhase.RUNNING, None) if runs else (StepPhase.SKIPPED, StepReason.CONDITION_FALSE)
    )
