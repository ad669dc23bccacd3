"""Time that is up, how a workflow ended, and what is written down for whoever comes next."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec
import pytest

from services.monitor.core.assess import Timeouts, assess, deadline_of
from shared.api.enums import (
    Control,
    ErrorType,
    ExecutionPhase,
    Health,
    Phase,
    RollbackPhase,
    RollbackStepPhase,
    RollbackType,
    SecondaryMode,
    StepPhase,
    StepReason,
)
from shared.api.results import StepResult
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Secondary, Step
from shared.api.workflow_status import (
    Approval,
    ControlStatus,
    Rollback,
    RollbackStep,
    StepStatus,
    WorkflowStatus,
)
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

PENDING, RUNNING, DONE = StepPhase.PENDING, StepPhase.RUNNING, StepPhase.COMPLETED
FAILED, SKIPPED = StepPhase.FAILED, StepPhase.SKIPPED
TIMEOUTS = Timeouts(
    small=timedelta(minutes=10), medium=timedelta(minutes=20), large=timedelta(minutes=45)
)
LATER = NOW + timedelta(seconds=30)


def _started(
    steps: list[Step], phases: Mapping[str, StepPhase], **status: object
) -> WorkflowExecution:
    workflow = with_steps(planned(make_workflow(steps)), phases)
    return _with(workflow, execution_start_time=NOW, **status)


def _with(workflow: WorkflowExecution, **fields: object) -> WorkflowExecution:
    status = msgspec.structs.replace(workflow.status, **fields)
    return msgspec.structs.replace(workflow, status=status)


def _step(workflow: WorkflowExecution, name: str, **fields: object) -> WorkflowExecution:
    steps = [
        msgspec.structs.replace(step, **fields) if step.name == name else step
        for step in workflow.status.steps
    ]
    return _with(workflow, steps=steps)


def _looked(workflow: WorkflowExecution, now: datetime = LATER) -> WorkflowStatus:
    after = assess(workflow, {}, now=now, timeouts=TIMEOUTS)
    assert after is not None
    return after


def _numbered(count: int) -> list[Step]:
    return [scale_step(f"s{number}") for number in range(count)]


def _outcome(workflow: WorkflowExecution) -> tuple[str, float]:
    result = _looked(workflow).workflow_result
    assert result is not None
    return result.outcome, result.effectiveness_score


@pytest.mark.parametrize(("count", "minutes"), [(3, 10), (4, 20), (10, 20), (11, 45)])
def test_row_57_time_is_up_exactly_at_the_limit_of_the_size(count: int, minutes: int) -> None:
    workflow = _started(_numbered(count), {"s0": DONE, "s1": RUNNING})
    limit = NOW + timedelta(minutes=minutes)

    before = _looked(workflow, limit - timedelta(microseconds=1))
    after = _looked(workflow, limit)

    assert before.timed_out_at is None
    assert (after.timed_out_at, after.error_type) == (limit, ErrorType.TIMEOUT)
    assert (after.failed_step, after.failed_action) == ("s1", "scale_deployment")
    assert after.health is Health.UNHEALTHY
    assert after.execution_snapshot is not None
    assert after.execution_snapshot.completed_steps == ["s0"]
    assert after.execution_complete_time is None, "one step still runs"


def test_time_that_is_up_is_written_down_once() -> None:
    workflow = _started(_numbered(2), {"s0": RUNNING})
    first = _looked(workflow, NOW + timedelta(minutes=10))

    again = msgspec.structs.replace(workflow, status=first)

    assert assess(again, {}, now=NOW + timedelta(minutes=11), timeouts=TIMEOUTS) is None


def test_a_timed_out_workflow_is_over_once_what_ran_has_settled() -> None:
    workflow = _started(_numbered(2), {"s0": RUNNING}, timed_out_at=NOW, failed_step="s0")
    done = execution_of(workflow, "s0", phase=ExecutionPhase.COMPLETED)

    after = assess(workflow, by_name(done), now=LATER, timeouts=TIMEOUTS)

    assert after is not None
    assert after.execution_complete_time == LATER
    assert after.failed_step == "s0"
    assert after.workflow_result is not None
    assert after.workflow_result.outcome == "failed"


@pytest.mark.parametrize(
    "status",
    [
        {"phase": Phase.PAUSED, "held_since": NOW},
        {"phase": Phase.AWAITING_APPROVAL, "held_since": NOW},
        {"control": ControlStatus(stop=Control.CANCEL)},
    ],
    ids=["paused", "approval", "cancelled"],
)
def test_no_time_runs_out_while_held_or_already_stopped(status: Mapping[str, object]) -> None:
    workflow = _started(_numbered(2), {"s0": RUNNING}, health=Health.HEALTHY, **status)

    assert deadline_of(workflow, TIMEOUTS) is None
    late = assess(workflow, {}, now=NOW + timedelta(days=1), timeouts=TIMEOUTS)
    assert late is None or late.timed_out_at is None


def test_a_workflow_that_ends_on_its_last_second_has_not_timed_out() -> None:
    workflow = _started(_numbered(1), {"s0": RUNNING})
    done = execution_of(workflow, "s0", phase=ExecutionPhase.COMPLETED)

    after = assess(workflow, by_name(done), now=NOW + timedelta(minutes=10), timeouts=TIMEOUTS)

    assert after is not None
    assert after.timed_out_at is None
    assert after.workflow_result is not None
    assert after.workflow_result.outcome == "success"


def test_row_97_health_follows_the_steps() -> None:
    tolerant = [scale_step("a", critical=False), scale_step("b")]
    cases = {
        Health.HEALTHY: _started(tolerant, {"a": DONE, "b": DONE}),
        Health.DEGRADED: _started(tolerant, {"a": FAILED, "b": DONE}),
        Health.UNHEALTHY: _started(tolerant, {"a": DONE, "b": FAILED}),
    }

    assert {health: _looked(each).health for health, each in cases.items()} == {
        health: health for health in cases
    }


def test_row_97_a_retry_or_a_lock_degrades_and_a_gate_does_not() -> None:
    workflow = _started(diamond(), {"a": DONE})
    gate, lock = StepReason.AWAITING_APPROVAL, StepReason.TARGET_LOCKED
    blocked = StepPhase.BLOCKED

    assert _looked(_step(workflow, "b", phase=blocked, reason=gate)).health is Health.HEALTHY
    assert _looked(_step(workflow, "b", phase=blocked, reason=lock)).health is Health.DEGRADED
    assert _looked(_step(workflow, "a", retries_attempted=1)).health is Health.DEGRADED


def test_row_98_recovery_fields_say_what_was_done_and_what_failed() -> None:
    workflow = _started(diamond(), {"a": DONE, "b": RUNNING, "c": RUNNING})
    changed = StepResult(success=True, resources_affected=["Deployment/default/a"])
    workflow = _step(workflow, "a", result=changed)
    failed = execution_of(
        workflow, "b", phase=ExecutionPhase.FAILED, error=ErrorType.PERMISSION_DENIED
    )

    after = assess(workflow, by_name(failed), now=LATER)

    assert after is not None
    assert (after.failed_step, after.failed_action) == ("b", "scale_deployment")
    assert after.error_type is ErrorType.PERMISSION_DENIED
    snapshot = after.execution_snapshot
    assert snapshot is not None
    assert (snapshot.completed_steps, snapshot.current_step) == (["a"], "b")
    assert snapshot.cluster_state == "1 of 4 steps completed"
    assert snapshot.resource_snapshot == "changed: Deployment/default/a"


def test_row_41_when_all_fail_at_once_the_first_of_the_plan_is_named() -> None:
    workflow = _started(_numbered(5), {f"s{number}": RUNNING for number in range(5)})
    failed = [
        execution_of(
            workflow, f"s{number}", phase=ExecutionPhase.FAILED, error=ErrorType.UNKNOWN_ERROR
        )
        for number in range(5)
    ]

    after = assess(workflow, by_name(*failed), now=LATER)

    assert after is not None
    assert (after.failed_step, after.failed_steps) == ("s0", 5)
    assert after.execution_complete_time == LATER
    again = msgspec.structs.replace(workflow, status=after)
    assert assess(again, by_name(*failed), now=LATER) is None


def _with_fallback() -> list[Step]:
    relation = Secondary(primary="a", mode=SecondaryMode.IF_PRIMARY_FAILS)
    return [scale_step("a"), msgspec.structs.replace(scale_step("b"), secondary=relation)]


def test_a_failed_primary_counts_as_done_once_its_fallback_completed() -> None:
    open_ = _looked(_started(_with_fallback(), {"a": FAILED, "b": RUNNING}))
    done = _looked(_started(_with_fallback(), {"a": FAILED, "b": DONE}))

    assert (open_.progress, open_.health, open_.failed_step) == (0, Health.DEGRADED, "")
    assert (done.progress, done.health, done.failed_step) == (100, Health.DEGRADED, "")
    assert done.workflow_result is not None
    assert done.workflow_result.outcome == "success"


def test_a_failed_fallback_makes_the_primary_the_failed_step() -> None:
    after = _looked(_started(_with_fallback(), {"a": FAILED, "b": FAILED}))

    assert after.failed_step == "a"
    assert after.health is Health.UNHEALTHY


def test_a_fallback_that_is_not_needed_costs_nothing() -> None:
    after = _looked(_started(_with_fallback(), {"a": DONE}))

    assert (after.progress, after.execution_complete_time) == (100, LATER)
    assert after.workflow_result is not None
    assert after.workflow_result.effectiveness_score == 1.0


@pytest.mark.parametrize(
    ("phases", "status", "outcome"),
    [
        ({"a": DONE, "b": DONE}, {}, "success"),
        ({"a": DONE, "b": FAILED}, {}, "failed"),
        ({"a": FAILED, "b": DONE}, {}, "partial_success"),
        ({"b": DONE}, {"control": ControlStatus(stop=Control.CANCEL)}, "partial_success"),
        ({}, {"control": ControlStatus(stop=Control.CANCEL)}, "failed"),
        ({"b": DONE}, {"control": ControlStatus(stop=Control.ROLLBACK)}, "failed"),
        ({"b": DONE}, {"timed_out_at": NOW}, "failed"),
        ({}, {"approval": Approval(required=True, decision="Rejected")}, "failed"),
    ],
)
def test_the_result_says_how_it_went(
    phases: Mapping[str, StepPhase], status: Mapping[str, object], outcome: str
) -> None:
    steps = [scale_step("a", critical=False), scale_step("b")]

    assert _outcome(_started(steps, phases, **status))[0] == outcome


def test_the_score_is_completed_steps_less_retries() -> None:
    workflow = _started(_numbered(4), {f"s{number}": DONE for number in range(4)})

    assert _outcome(_step(workflow, "s0", retries_attempted=2)) == ("success", 0.9)


def test_steps_that_were_not_needed_do_not_count() -> None:
    workflow = _started(_numbered(2), {"s0": DONE})
    skipped = _step(workflow, "s1", phase=SKIPPED, reason=StepReason.CONDITION_FALSE)

    assert _outcome(skipped) == ("success", 1.0)


def test_what_was_undone_is_taken_off_when_the_way_back_has_ended() -> None:
    workflow = _started(_numbered(4), {"s0": DONE, "s1": DONE, "s2": FAILED, "s3": SKIPPED})
    ended = _with(workflow, **_fields(_looked(workflow)))
    undone = [
        RollbackStep(name="s1", phase=RollbackStepPhase.COMPLETED),
        RollbackStep(name="s0", phase=RollbackStepPhase.FAILED),
    ]
    back = Rollback(phase=RollbackPhase.FAILED, strategy=RollbackType.AUTOMATIC, steps=undone)
    over = _with(ended, rollback=back, phase=Phase.ROLLBACK_FAILED)

    after = _looked(over)

    assert after.workflow_result is not None
    assert after.workflow_result.effectiveness_score == 0.4
    assert after.execution_metrics is not None
    assert after.execution_metrics.rollbacks_performed == 1
    assert after.execution_complete_time == LATER
    assert assess(_with(over, **_fields(after)), {}, now=LATER) is None


def _fields(status: WorkflowStatus) -> dict[str, object]:
    return {name: getattr(status, name) for name in status.__struct_fields__}


@pytest.mark.parametrize("phase", [Phase.CANCELLED, Phase.FAILED, Phase.ROLLING_BACK])
def test_an_end_that_others_wrote_is_summed_up_afterwards(phase: Phase) -> None:
    cancelled = ControlStatus(stop=Control.CANCEL)
    skipped = dict.fromkeys(("s0", "s1"), SKIPPED)
    workflow = _started(_numbered(2), skipped, phase=phase, control=cancelled)

    after = _looked(workflow)

    assert after.execution_complete_time == LATER
    assert after.workflow_result is not None
    again = msgspec.structs.replace(workflow, status=after)
    assert assess(again, {}, now=LATER) is None


def test_who_turns_down_a_plan_of_which_nothing_is_left_makes_it_a_failure() -> None:
    asked = Approval(required=True)
    ran = _started(_numbered(2), {"s0": DONE, "s1": DONE}, approval=asked)
    ended = _with(ran, **_fields(_looked(ran)))
    turned_down = msgspec.structs.replace(asked, decision="Rejected")

    after = _looked(_with(ended, approval=turned_down, phase=Phase.FAILED))

    assert ended.status.workflow_result is not None
    assert ended.status.workflow_result.outcome == "success"
    assert after.workflow_result is not None
    assert after.workflow_result.outcome == "failed"


def test_a_retry_by_a_person_ends_anew() -> None:
    workflow = _started(_numbered(2), {"s0": DONE, "s1": FAILED})
    ended = _looked(workflow, NOW + timedelta(seconds=1))
    retried = msgspec.structs.replace(workflow, status=ended)
    retried = _step(retried, "s1", phase=RUNNING, attempts=2)

    seen = _looked(retried)
    assert (seen.failed_step, seen.error_type) == ("", None)
    assert (seen.execution_snapshot, seen.execution_complete_time) == (None, None)
    assert (seen.workflow_result, seen.execution_metrics) == (None, None)

    done = execution_of(retried, "s1", phase=ExecutionPhase.COMPLETED, attempt=2)
    after = assess(retried, by_name(done), now=LATER)

    assert after is not None
    assert (after.execution_complete_time, after.failed_step) == (LATER, "")
    assert after.workflow_result is not None
    assert after.workflow_result.outcome == "success"


def test_a_retry_that_fails_again_names_the_new_failure() -> None:
    workflow = _started(_numbered(2), {"s0": FAILED, "s1": FAILED})
    ended = _looked(workflow, NOW + timedelta(seconds=1))
    retried = msgspec.structs.replace(workflow, status=ended)
    for name in ("s0", "s1"):
        retried = _step(retried, name, phase=RUNNING, attempts=2)
    results = [
        execution_of(retried, "s0", phase=ExecutionPhase.COMPLETED, attempt=2),
        execution_of(
            retried, "s1", phase=ExecutionPhase.FAILED, error=ErrorType.TIMEOUT, attempt=2
        ),
    ]

    after = assess(retried, by_name(*results), now=LATER)

    assert after is not None
    assert (after.failed_step, after.error_type) == ("s1", ErrorType.TIMEOUT)
    assert after.execution_complete_time == LATER


def test_an_inserted_step_does_not_lower_progress() -> None:
    workflow = _started(_numbered(2), {"s0": DONE, "s1": RUNNING}, progress=50)
    extra = planned(make_workflow(_numbered(5)))
    steps: list[StepStatus] = [*workflow.status.steps, *extra.status.steps[2:]]
    grown = msgspec.structs.replace(extra, status=workflow.status)
    grown = _with(grown, steps=steps, execution_plan=extra.status.execution_plan)
    done = execution_of(grown, "s1", phase=ExecutionPhase.COMPLETED)

    after = assess(grown, by_name(done), now=LATER)

    assert after is not None
    assert after.progress == 50


def test_that_all_is_well_so_far_is_not_worth_a_write() -> None:
    assert assess(_started(_numbered(2), {"s0": RUNNING}), {}, now=LATER) is None
