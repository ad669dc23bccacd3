"""A step whose execution completed has changed something, whatever became of the step since."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec
import pytest

from shared.api.enums import ErrorType, ExecutionKind, ExecutionPhase, Phase, StepPhase, StepReason
from shared.api.execution import CapturedInverse, EffectRecord, KubernetesExecution
from shared.api.workflow import WorkflowExecution
from tests.support.builders import NOW, execution_of, scale_step
from tests.support.undoing import Way, failed_after, inverse, rollback_of, undo_step

COMPLETED, FAILED, CANCELLED = (
    ExecutionPhase.COMPLETED,
    ExecutionPhase.FAILED,
    ExecutionPhase.CANCELLED,
)
Attempt = tuple[ExecutionPhase, CapturedInverse | None]


def left_as(
    phase: StepPhase,
    attempts: int,
    *,
    error: ErrorType | None = None,
    reason: StepReason | None = None,
) -> WorkflowExecution:
    """Return a stopped workflow of a and b whose step b did not end well; a completed."""
    workflow = failed_after(scale_step("a"), scale_step("b"))
    steps = [
        msgspec.structs.replace(
            step, phase=phase, attempts=attempts, error_type=error, reason=reason
        )
        if step.name == "b"
        else step
        for step in workflow.status.steps
    ]
    status = msgspec.structs.replace(workflow.status, steps=steps)
    return msgspec.structs.replace(workflow, status=status)


def tried(workflow: WorkflowExecution, attempts: Sequence[Attempt]) -> list[KubernetesExecution]:
    """Return the execution of a, and one of b for each of its attempts."""
    found = [execution_of(workflow, "a", phase=COMPLETED, captured=inverse(2, 3))]
    for number, (phase, captured) in enumerate(attempts, start=1):
        error = ErrorType.TIMEOUT if phase is FAILED else None
        found.append(
            execution_of(workflow, "b", attempt=number, phase=phase, error=error, captured=captured)
        )
    return found


@pytest.mark.parametrize(
    ("workflow", "attempts"),
    [
        pytest.param(
            left_as(StepPhase.FAILED, 2, error=ErrorType.TIMEOUT),
            [(COMPLETED, inverse(4, 5)), (FAILED, inverse(5, 5))],
            id="tried again in vain",
        ),
        pytest.param(
            left_as(StepPhase.FAILED, 2, error=ErrorType.PERMISSION_DENIED),
            [(COMPLETED, inverse(4, 5)), (FAILED, None)],
            id="refused before it captured anything",
        ),
        pytest.param(
            left_as(StepPhase.SKIPPED, 2, reason=StepReason.CANCELLED),
            [(COMPLETED, inverse(4, 5)), (CANCELLED, None)],
            id="revoked before it was tried again",
        ),
        pytest.param(
            left_as(StepPhase.FAILED, 1, reason=StepReason.CANCELLED),
            [(COMPLETED, inverse(4, 5))],
            id="sent forward again, and ended before it was tried",
        ),
        pytest.param(
            left_as(StepPhase.FAILED, 1, error=ErrorType.CANCELLED),
            [(COMPLETED, inverse(4, 5))],
            id="ended while it was verified",
        ),
    ],
)
def test_what_completed_once_is_undone(
    workflow: WorkflowExecution, attempts: Sequence[Attempt]
) -> None:
    way = Way(workflow, executions=tried(workflow, attempts)).go()

    assert way.undone == ["b", "a"]
    assert way.workflow.status.phase is Phase.ROLLED_BACK
    restored = way.created[0].spec.rollback_of
    assert restored is not None
    assert restored.before == {"spec.replicas": "4"}


@pytest.mark.parametrize("phase", [FAILED, CANCELLED])
def test_what_never_completed_is_not_undone(phase: ExecutionPhase) -> None:
    workflow = left_as(StepPhase.FAILED, 1, error=ErrorType.TIMEOUT)

    way = Way(workflow, executions=tried(workflow, [(phase, inverse(4, 5))])).go()

    assert way.undone == ["a"]


@pytest.mark.parametrize(("effects", "claims", "after"), [(0, 1, "5"), (1, 1, "6"), (0, 2, "6")])
def test_what_a_later_attempt_left_counts_unless_it_is_known_to_have_done_nothing(
    effects: int, claims: int, after: str
) -> None:
    workflow = left_as(StepPhase.FAILED, 2, error=ErrorType.TIMEOUT)
    executions = tried(workflow, [(COMPLETED, inverse(4, 5)), (FAILED, inverse(5, 6))])
    made = [EffectRecord(verb="patch", kind="Deployment", name="x")] * effects
    last = msgspec.structs.replace(executions[-1].status, effects=made, claim_fence=claims)
    executions[-1] = msgspec.structs.replace(executions[-1], status=last)

    way = Way(workflow, executions=executions).go()

    restored = way.created[0].spec.rollback_of
    assert restored is not None
    assert (restored.before, restored.after) == ({"spec.replicas": "4"}, {"spec.replicas": after})


def test_what_was_settled_as_done_is_listed_although_nobody_can_undo_it() -> None:
    workflow = left_as(StepPhase.FAILED, 2, error=ErrorType.TIMEOUT)
    settled = execution_of(workflow, "b", phase=COMPLETED, kind=ExecutionKind.SETTLE)
    _, _, last = tried(workflow, [(COMPLETED, None), (FAILED, inverse(5, 5))])

    way = Way(workflow, executions=[settled, last]).go()

    assert undo_step(way.workflow, "b").reason == "UndoDataMissing"
    assert way.workflow.status.phase is Phase.ROLLBACK_FAILED


def test_the_time_of_an_execution_counts_where_the_step_has_none() -> None:
    workflow = left_as(StepPhase.SKIPPED, 2, reason=StepReason.CANCELLED)
    steps = [
        msgspec.structs.replace(step, completion_time=None) if step.name == "b" else step
        for step in workflow.status.steps
    ]
    workflow = msgspec.structs.replace(
        workflow, status=msgspec.structs.replace(workflow.status, steps=steps)
    )
    executions = tried(workflow, [(COMPLETED, inverse(4, 5)), (CANCELLED, None)])
    late = msgspec.structs.replace(executions[1].status, completion_time=NOW + timedelta(seconds=9))
    executions[1] = msgspec.structs.replace(executions[1], status=late)

    way = Way(workflow, executions=executions).go()

    assert [step.name for step in rollback_of(way.workflow).steps] == ["b", "a"]
