"""What executions say about steps, and how far a workflow is."""

from collections.abc import Mapping

import msgspec
import pytest

from services.monitor.core.assess import assess, expected_executions
from shared.api.enums import ErrorType, ExecutionKind, ExecutionPhase, Health, Phase, StepPhase
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import StepStatus, WorkflowStatus
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

RUNNING, DONE, FAILED = StepPhase.RUNNING, StepPhase.COMPLETED, StepPhase.FAILED
COMPLETED = ExecutionPhase.COMPLETED


def _started(phases: Mapping[str, StepPhase]) -> WorkflowExecution:
    return with_steps(planned(make_workflow(diamond())), phases)


def _step(status: WorkflowStatus | None, name: str) -> StepStatus:
    assert status is not None
    return next(step for step in status.steps if step.name == name)


def test_a_completed_execution_completes_its_step_and_nothing_else() -> None:
    workflow = _started({"a": RUNNING})

    after = assess(workflow, by_name(execution_of(workflow, "a", phase=COMPLETED)), now=NOW)

    assert _step(after, "a").phase is DONE
    assert (_step(after, "a").start_time, _step(after, "a").completion_time) == (NOW, NOW)
    assert after is not None
    assert [step.phase for step in after.steps[1:]] == [StepPhase.PENDING] * 3
    assert (after.progress, after.completed_steps) == (25, 1)


@pytest.mark.parametrize("claimed", [False, True])
def test_an_execution_that_has_not_ended_costs_no_write(claimed: bool) -> None:
    workflow = _started({"a": RUNNING})
    phase = ExecutionPhase.RUNNING if claimed else ExecutionPhase.PENDING
    execution = execution_of(workflow, "a", phase=phase, claimed=claimed)

    assert assess(workflow, by_name(execution), now=NOW) is None


def test_looking_twice_writes_once() -> None:
    workflow = _started({"a": RUNNING})
    executions = by_name(execution_of(workflow, "a", phase=COMPLETED))
    after = assess(workflow, executions, now=NOW)
    assert after is not None

    again = msgspec.structs.replace(workflow, status=after)

    assert assess(again, executions, now=NOW) is None


def test_only_the_latest_attempt_counts() -> None:
    workflow = _started({"a": RUNNING})
    second = [msgspec.structs.replace(s, attempts=2 * s.attempts) for s in workflow.status.steps]
    status = msgspec.structs.replace(workflow.status, steps=second)
    workflow = msgspec.structs.replace(workflow, status=status)
    first = execution_of(workflow, "a", phase=ExecutionPhase.FAILED, error=ErrorType.TIMEOUT)

    assert assess(workflow, by_name(first), now=NOW) is None


def test_a_settling_execution_speaks_for_the_one_that_was_deleted() -> None:
    workflow = _started({"a": RUNNING})
    settled = execution_of(workflow, "a", phase=COMPLETED, kind=ExecutionKind.SETTLE)

    assert _step(assess(workflow, by_name(settled), now=NOW), "a").phase is DONE


def test_a_failed_execution_fails_step_and_workflow_with_its_error() -> None:
    workflow = _started({"a": RUNNING})
    failed = execution_of(workflow, "a", phase=ExecutionPhase.FAILED, error=ErrorType.TIMEOUT)

    after = assess(workflow, by_name(failed), now=NOW)

    assert _step(after, "a").error_type is ErrorType.TIMEOUT
    assert after is not None
    assert (after.failed_step, after.failed_action) == ("a", "scale_deployment")
    assert after.error_type is ErrorType.TIMEOUT
    assert after.health is Health.UNHEALTHY
    assert after.execution_complete_time == NOW


def test_a_failure_is_not_the_end_while_a_sibling_runs() -> None:
    workflow = _started({"a": DONE, "b": RUNNING, "c": RUNNING})
    failed = execution_of(workflow, "b", phase=ExecutionPhase.FAILED, error=ErrorType.TIMEOUT)

    after = assess(workflow, by_name(failed), now=NOW)

    assert after is not None
    assert after.failed_step == "b"
    assert after.execution_complete_time is None


def test_a_tolerated_failure_counts_as_progress_and_degrades() -> None:
    workflow = planned(make_workflow([scale_step("a", critical=False), scale_step("b")]))
    workflow = with_steps(workflow, {"a": RUNNING, "b": DONE})
    failed = execution_of(workflow, "a", phase=ExecutionPhase.FAILED, error=ErrorType.TIMEOUT)

    after = assess(workflow, by_name(failed), now=NOW)

    assert after is not None
    assert (after.progress, after.health) == (100, Health.DEGRADED)
    assert after.workflow_result is not None
    assert after.workflow_result.outcome == "partial_success"


def test_steps_that_can_no_longer_start_do_not_hold_progress_back() -> None:
    steps = [scale_step("a", critical=False), scale_step("b", needs=["a"])]
    workflow = with_steps(planned(make_workflow(steps)), {"a": RUNNING})
    failed = execution_of(workflow, "a", phase=ExecutionPhase.FAILED, error=ErrorType.TIMEOUT)

    after = assess(workflow, by_name(failed), now=NOW)

    assert after is not None
    assert (after.progress, after.execution_complete_time) == (100, NOW)


def test_the_last_step_ends_the_workflow_with_its_figures() -> None:
    workflow = _started({"a": DONE, "b": DONE, "c": DONE, "d": RUNNING})

    after = assess(workflow, by_name(execution_of(workflow, "d", phase=COMPLETED)), now=NOW)

    assert after is not None
    assert (after.progress, after.completed_steps, after.failed_steps) == (100, 4, 0)
    assert after.execution_complete_time == NOW
    assert after.workflow_result is not None
    assert after.workflow_result.outcome == "success"
    assert after.workflow_result.effectiveness_score == 1.0


def test_progress_goes_up_by_thirds_and_never_down() -> None:
    workflow = planned(make_workflow([scale_step("a"), scale_step("b"), scale_step("c")]))
    workflow = with_steps(workflow, dict.fromkeys("abc", RUNNING))
    seen = []
    for name in "abc":
        after = assess(workflow, by_name(execution_of(workflow, name, phase=COMPLETED)), now=NOW)
        assert after is not None
        workflow = msgspec.structs.replace(workflow, status=after)
        seen.append(after.progress)
    assert seen == [33, 66, 100]

    ahead = msgspec.structs.replace(_started({"a": RUNNING}))
    ahead = msgspec.structs.replace(
        ahead, status=msgspec.structs.replace(ahead.status, progress=80)
    )
    after = assess(ahead, by_name(execution_of(ahead, "a", phase=COMPLETED)), now=NOW)
    assert after is not None
    assert after.progress == 80


def test_the_end_is_noticed_when_others_skipped_the_rest() -> None:
    skipped = dict.fromkeys("bcd", StepPhase.SKIPPED)

    after = assess(_started({"a": FAILED} | skipped), {}, now=NOW)

    assert after is not None
    assert after.execution_complete_time == NOW


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.ROLLING_BACK, Phase.COMPLETED])
def test_nothing_is_judged_unless_the_workflow_executes(phase: Phase) -> None:
    workflow = _started({"a": RUNNING})
    workflow = msgspec.structs.replace(
        workflow, status=msgspec.structs.replace(workflow.status, phase=phase)
    )
    executions = by_name(execution_of(workflow, "a", phase=COMPLETED))

    assert assess(workflow, executions, now=NOW) is None


def test_only_executions_that_can_say_something_new_are_read() -> None:
    workflow = _started({"a": DONE, "b": RUNNING})

    assert expected_executions(workflow) == [forward_name(workflow, "b")]
