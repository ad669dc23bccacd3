"""spec.control: followed or refused with the reason, in every phase, and only once."""

from typing import Final

import msgspec
import pytest

from services.orchestrator.core.decide import decide
from shared.api.enums import (
    TERMINAL_PHASES,
    Control,
    ExecutionPhase,
    Phase,
    RollbackPhase,
    RollbackType,
    StepPhase,
    StepReason,
)
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import Approval, ControlStatus, Decision, Rollback, WorkflowStatus
from shared.workflow.phases import derive, rollback_is_due
from tests.support.builders import (
    NOW,
    by_name,
    diamond,
    execution_of,
    make_workflow,
    planned,
    scale_step,
    with_steps,
)

CHAIN = [scale_step("a"), scale_step("b", needs=["a"])]


def asking(
    workflow: WorkflowExecution, verb: Control | None, *, generation: int = 2
) -> WorkflowExecution:
    spec = msgspec.structs.replace(workflow.spec, control=verb)
    meta = msgspec.structs.replace(workflow.metadata, generation=generation)
    return msgspec.structs.replace(workflow, spec=spec, metadata=meta)


def decided(workflow: WorkflowExecution, **executions: ExecutionPhase) -> WorkflowExecution:
    """Return the workflow after one write of the orchestrator."""
    found = by_name(*(execution_of(workflow, s, phase=p) for s, p in executions.items()))
    status = decide(workflow, found, now=NOW, limit=5)
    if status is None:
        return workflow
    return with_status(workflow, derive(workflow, status, now=NOW))


def with_status(workflow: WorkflowExecution, status: WorkflowStatus) -> WorkflowExecution:
    return msgspec.structs.replace(workflow, status=status)


def running() -> WorkflowExecution:
    """Return a workflow whose first step is in flight."""
    return decided(planned(make_workflow(CHAIN)))


def control(workflow: WorkflowExecution) -> ControlStatus:
    assert workflow.status.control is not None
    return workflow.status.control


def in_phase(phase: Phase) -> WorkflowExecution:
    """Return a workflow that stands in a phase, as the services leave it."""
    if phase is Phase.PENDING:
        return make_workflow(CHAIN)
    workflow = planned(make_workflow(CHAIN))
    if phase is Phase.PLANNING:
        status = WorkflowStatus(phase=phase, planning_start_time=NOW)
    elif phase in ROLLBACKS:
        failed = with_steps(workflow, {"a": StepPhase.FAILED, "b": StepPhase.SKIPPED})
        rollback = Rollback(phase=ROLLBACKS[phase], strategy=RollbackType.MANUAL)
        status = msgspec.structs.replace(failed.status, rollback=rollback)
    elif phase in ENDS:
        ended = with_steps(workflow, dict.fromkeys("ab", StepPhase.COMPLETED))
        status = msgspec.structs.replace(
            ended.status, execution_complete_time=NOW, control=ENDS[phase]
        )
    else:
        status = msgspec.structs.replace(
            running().status,
            control=ControlStatus(verb=Control.PAUSE, paused=True)
            if phase is Phase.PAUSED
            else None,
            approval=Approval(required=phase is Phase.AWAITING_APPROVAL),
        )
    there = with_status(workflow, msgspec.structs.replace(status, phase=phase))
    return with_status(there, derive(there, there.status, now=NOW))


ROLLBACKS = {
    Phase.FAILED: RollbackPhase.NOT_REQUESTED,
    Phase.DEGRADED: RollbackPhase.AWAITING_TRIGGER,
    Phase.ROLLING_BACK: RollbackPhase.RUNNING,
    Phase.ROLLED_BACK: RollbackPhase.COMPLETED,
    Phase.ROLLBACK_FAILED: RollbackPhase.FAILED,
}
ENDS = {
    Phase.COMPLETED: None,
    Phase.CANCELLED: ControlStatus(verb=Control.CANCEL, stop=Control.CANCEL),
}


def test_a_pause_starts_nothing_and_lets_run_what_runs() -> None:
    paused = decided(asking(running(), Control.PAUSE))
    done = with_steps(paused, {"a": StepPhase.COMPLETED})

    after = decided(done, a=ExecutionPhase.COMPLETED)

    assert paused.status.phase is Phase.PAUSED
    assert control(paused).accepted
    assert after.status.tokens == {}
    assert after.status.phase is Phase.PAUSED


def test_a_workflow_may_be_paused_before_it_is_planned() -> None:
    asked = decided(asking(make_workflow(CHAIN), Control.PAUSE))
    assert asked.status.phase is Phase.PENDING
    plan = msgspec.structs.replace(
        planned(asked).status, phase=Phase.PENDING, control=asked.status.control
    )

    paused = with_status(asked, derive(asked, plan, now=NOW))

    assert paused.status.phase is Phase.PAUSED
    assert decided(paused) == paused


@pytest.mark.parametrize("verb", [Control.RESUME, None])
def test_a_failure_while_paused_is_recorded_at_once_and_acted_on_after_resume(
    verb: Control | None,
) -> None:
    paused = decided(asking(running(), Control.PAUSE))
    failed = with_steps(paused, {"a": StepPhase.FAILED})
    settled = decided(failed, a=ExecutionPhase.FAILED)
    summed_up = msgspec.structs.replace(settled.status, execution_complete_time=NOW)
    held = with_status(settled, derive(settled, summed_up, now=NOW))

    resumed = decided(asking(held, verb, generation=3))

    assert (held.status.phase, held.status.tokens) == (Phase.PAUSED, {})
    assert [s.phase for s in held.status.steps] == [StepPhase.FAILED, StepPhase.SKIPPED]
    assert not rollback_is_due(held)
    assert "step a failed" in held.status.message
    assert rollback_is_due(resumed)


@pytest.mark.parametrize(
    ("verb", "phase"), [(Control.CANCEL, Phase.CANCELLED), (Control.ROLLBACK, Phase.EXECUTING)]
)
def test_what_failed_while_paused_can_be_ended_by_a_person(verb: Control, phase: Phase) -> None:
    paused = decided(asking(running(), Control.PAUSE))
    settled = decided(with_steps(paused, {"a": StepPhase.FAILED}), a=ExecutionPhase.FAILED)
    summed_up = msgspec.structs.replace(settled.status, execution_complete_time=NOW)
    held = with_status(settled, derive(settled, summed_up, now=NOW))

    ended = decided(asking(held, verb, generation=3))

    assert ended.status.phase is phase
    assert rollback_is_due(ended) is (verb is Control.ROLLBACK)


@pytest.mark.parametrize("verb", [Control.RESUME, None])
def test_a_resume_or_no_verb_at_all_goes_on(verb: Control | None) -> None:
    paused = decided(asking(planned(make_workflow(CHAIN)), Control.PAUSE))

    resumed = decided(asking(paused, verb, generation=3))

    assert paused.status.tokens == {}
    assert resumed.status.phase is Phase.EXECUTING
    assert set(resumed.status.tokens) == {"a"}


def test_a_cancel_waits_for_what_runs_and_skips_the_rest() -> None:
    cancelled = decided(asking(running(), Control.CANCEL))
    judged = with_steps(cancelled, {"a": StepPhase.COMPLETED})

    after = decided(judged, a=ExecutionPhase.COMPLETED)

    assert cancelled.status.phase is Phase.EXECUTING
    assert set(cancelled.status.tokens) == {"a"}
    assert cancelled.status.steps[1].phase is StepPhase.SKIPPED
    assert cancelled.status.steps[1].reason is StepReason.CANCELLED
    assert after.status.tokens == {}
    summed_up = msgspec.structs.replace(after.status, execution_complete_time=NOW)
    assert derive(after, summed_up, now=NOW).phase is Phase.CANCELLED
    assert not rollback_is_due(after)


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.AWAITING_APPROVAL])
def test_what_never_began_is_cancelled_at_once(phase: Phase) -> None:
    workflow = make_workflow(CHAIN)
    if phase is not Phase.PENDING:
        workflow = planned(workflow)

    assert decided(asking(workflow, Control.CANCEL)).status.phase is Phase.CANCELLED


def test_a_rollback_is_due_once_everything_has_settled() -> None:
    asked = decided(asking(running(), Control.ROLLBACK))
    after = decided(with_steps(asked, {"a": StepPhase.COMPLETED}), a=ExecutionPhase.COMPLETED)
    summed_up = msgspec.structs.replace(after.status, execution_complete_time=NOW)

    assert not rollback_is_due(asked)
    assert not rollback_is_due(after)
    assert rollback_is_due(with_status(after, summed_up))
    assert after.status.phase is Phase.EXECUTING


def test_ending_cannot_be_taken_back() -> None:
    cancelled = decided(asking(running(), Control.CANCEL))

    resumed = decided(asking(cancelled, Control.RESUME, generation=3))

    assert not control(resumed).accepted
    assert control(resumed).reason == "AlreadyStopping"
    assert control(resumed).stop is Control.CANCEL


def sent_forward() -> tuple[WorkflowExecution, WorkflowExecution]:
    """Return a Degraded workflow whose second step failed, and how it goes on from there."""
    steps = [scale_step("a"), scale_step("b", needs=["a"]), scale_step("c", needs=["b"])]
    workflow = with_steps(
        planned(make_workflow(steps, rollback=RollbackType.MANUAL)),
        {"a": StepPhase.COMPLETED, "b": StepPhase.FAILED},
    )
    stopped = decided(workflow)
    rollback = Rollback(phase=RollbackPhase.AWAITING_TRIGGER, strategy=RollbackType.MANUAL)
    waiting = msgspec.structs.replace(stopped.status, rollback=rollback)
    degraded = with_status(stopped, derive(stopped, waiting, now=NOW))
    return degraded, decided(asking(degraded, Control.RETRY))


def test_a_retry_sends_a_degraded_workflow_forward_from_what_failed() -> None:
    degraded, again = sent_forward()

    assert degraded.status.phase is Phase.DEGRADED
    assert again.status.phase is Phase.EXECUTING
    assert set(again.status.tokens) == {"b"}
    assert again.status.tokens["b"].attempt == 2
    assert [s.phase for s in again.status.steps] == [
        StepPhase.COMPLETED,
        StepPhase.RUNNING,
        StepPhase.PENDING,
    ]


def gated_after_retry(*, only: frozenset[str] | None) -> WorkflowExecution:
    """Return a workflow that was sent forward again, with its last step at its gate."""
    gated = msgspec.structs.replace(scale_step("b"), requires_approval=True)
    workflow = planned(make_workflow([scale_step("a"), gated], rollback=RollbackType.MANUAL))
    stopped = decided(with_steps(workflow, {"a": StepPhase.FAILED}))
    rollback = Rollback(phase=RollbackPhase.AWAITING_TRIGGER, strategy=RollbackType.MANUAL)
    waiting = msgspec.structs.replace(stopped.status, rollback=rollback)
    degraded = with_status(stopped, derive(stopped, waiting, now=NOW))
    asked = asking(degraded, Control.RETRY)
    status = decide(asked, {}, now=NOW, limit=5, only=only)
    assert (degraded.status.phase, status is not None) == (Phase.DEGRADED, True)
    return with_status(asked, derive(asked, status or asked.status, now=NOW))


def answered(workflow: WorkflowExecution, decision: str) -> WorkflowExecution:
    plan = workflow.status.execution_plan
    assert plan is not None
    approval = Approval(gates={"b": Decision(digest=plan.digest, decision=decision)})
    status = msgspec.structs.replace(workflow.status, approval=approval)
    return with_status(workflow, derive(workflow, status, now=NOW))


@pytest.mark.parametrize("decision", ["Rejected", "Expired"])
def test_who_was_sent_forward_again_may_be_turned_away_at_a_gate(decision: str) -> None:
    again = gated_after_retry(only=None)
    judged = with_steps(again, {"a": StepPhase.COMPLETED})
    done = with_status(judged, msgspec.structs.replace(judged.status, tokens={}))
    done = with_status(done, derive(done, done.status, now=NOW))

    denied = decided(answered(done, decision))

    assert (again.status.phase, done.status.phase) == (Phase.EXECUTING, Phase.AWAITING_APPROVAL)
    assert {s.name: s.phase for s in denied.status.steps}["b"] is StepPhase.FAILED
    assert denied.status.phase is Phase.DEGRADED


def test_who_is_sent_forward_again_may_wait_at_a_gate_at_once() -> None:
    again = gated_after_retry(only=frozenset())

    assert again.status.tokens == {}
    assert again.status.phase is Phase.AWAITING_APPROVAL
    assert decided(answered(again, "Rejected")).status.phase is Phase.DEGRADED


def test_who_was_sent_forward_again_may_fail_while_paused() -> None:
    _, again = sent_forward()
    paused = decided(asking(again, Control.PAUSE, generation=3))
    settled = decided(with_steps(paused, {"b": StepPhase.FAILED}), b=ExecutionPhase.FAILED)
    released = msgspec.structs.replace(settled.status, tokens={}, execution_complete_time=NOW)
    held = with_status(settled, derive(settled, released, now=NOW))

    resumed = decided(asking(held, Control.RESUME, generation=4))

    assert held.status.phase is Phase.PAUSED
    assert resumed.status.phase is Phase.DEGRADED
    assert control(decided(asking(resumed, Control.RETRY, generation=5))).accepted


@pytest.mark.parametrize("verb", [Control.CANCEL, Control.ROLLBACK])
def test_who_was_sent_forward_again_can_be_ended_like_any_other(verb: Control) -> None:
    _, again = sent_forward()

    asked = decided(asking(again, verb, generation=3))
    settled = decided(with_steps(asked, {"b": StepPhase.COMPLETED}), a=ExecutionPhase.COMPLETED)
    released = msgspec.structs.replace(settled.status, tokens={}, execution_complete_time=NOW)
    ended = with_status(settled, derive(settled, released, now=NOW))

    assert control(asked).stop is verb
    assert {s.name: s.phase for s in asked.status.steps}["c"] is StepPhase.SKIPPED
    assert rollback_is_due(ended) is (verb is Control.ROLLBACK)
    cancelled = verb is Control.CANCEL
    assert ended.status.phase is (Phase.CANCELLED if cancelled else Phase.EXECUTING)


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("verb", list(Control))
def test_every_verb_is_answered_once_in_every_phase(verb: Control, phase: Phase) -> None:
    there = in_phase(phase)
    already = there.status.control.verb if there.status.control else None
    asked = asking(there, verb)

    once = decided(asked)
    twice = decided(once)

    assert there.status.phase is phase
    assert control(once).verb is verb
    if verb is already:
        assert once.status == asked.status
        return
    assert control(once).accepted is not bool(control(once).reason)
    assert control(once).accepted is not bool(control(once).message)
    assert twice.status == once.status
    if not control(once).accepted:
        assert once.status.phase is asked.status.phase
        assert once.status.tokens == asked.status.tokens


GOING: Final = (
    Phase.PENDING,
    Phase.PLANNING,
    Phase.AWAITING_APPROVAL,
    Phase.EXECUTING,
    Phase.PAUSED,
)
BACK: Final = (Phase.ROLLING_BACK, Phase.ROLLED_BACK, Phase.ROLLBACK_FAILED)
ENDED: Final = dict.fromkeys(TERMINAL_PHASES, "AlreadyEnded")
REFUSED: Final = {
    Control.PAUSE: ENDED | {Phase.ROLLING_BACK: "RollbackRunning"},
    Control.RESUME: ENDED | {Phase.ROLLING_BACK: "RollbackRunning"},
    Control.CANCEL: ENDED | {Phase.ROLLING_BACK: "RollbackRunning"},
    Control.ROLLBACK: dict.fromkeys(
        [Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED], "AlreadyEnded"
    ),
    Control.RETRY: dict.fromkeys([*GOING, *BACK, *ENDED], "NotDegraded") | {Phase.DEGRADED: ""},
}
"""Why a verb is refused in a phase; where none is given it is followed."""


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("verb", list(Control))
def test_each_verb_is_followed_or_refused_as_people_are_told(verb: Control, phase: Phase) -> None:
    there = in_phase(phase)
    if there.status.control is not None and there.status.control.verb is verb:
        there = decided(asking(there, None))

    answer = control(decided(asking(there, verb, generation=3)))

    assert answer.reason == REFUSED[verb].get(phase, "")
    assert answer.accepted is not bool(answer.reason)


@pytest.mark.parametrize("phase", sorted(TERMINAL_PHASES - {Phase.DEGRADED}))
@pytest.mark.parametrize("verb", [Control.PAUSE, Control.RESUME, Control.CANCEL, Control.RETRY])
def test_nothing_moves_what_has_ended(verb: Control, phase: Phase) -> None:
    there = in_phase(phase)
    answered = decided(asking(there, verb))

    assert answered.status.phase is phase
    assert not control(answered).accepted or answered.status == there.status


def test_a_cancel_during_a_rollback_is_refused() -> None:
    answered = control(decided(asking(in_phase(Phase.ROLLING_BACK), Control.CANCEL)))

    assert (answered.accepted, answered.reason) == (False, "RollbackRunning")


def test_a_verb_that_stands_is_not_answered_again_when_the_limit_changes() -> None:
    paused = decided(asking(planned(make_workflow(diamond())), Control.PAUSE))

    assert decided(asking(paused, Control.PAUSE, generation=9)).status == paused.status
