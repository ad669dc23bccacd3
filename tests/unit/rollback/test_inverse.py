"""What undoes several attempts together."""

import msgspec
import pytest

from services.rollback.core.inverse import combined
from shared.api.enums import ExecutionPhase, RollbackStepPhase
from shared.api.execution import CapturedInverse, EffectRecord
from shared.api.workflow import WorkflowExecution
from tests.support.builders import execution_of, scale_step
from tests.support.undoing import Way, failed_after, inverse, undo_step


@pytest.mark.parametrize(
    ("attempts", "before", "after"),
    [
        pytest.param([inverse(2, 3)], 2, 3, id="one"),
        pytest.param([inverse(2, 3), inverse(3, 4)], 2, 4, id="each went on from the last"),
        pytest.param([inverse(2, 3), inverse(2, 3)], 2, 3, id="the first never acted"),
        pytest.param([inverse(2, 3), inverse(3, 3)], 2, 3, id="the second found its goal"),
        pytest.param([inverse(3, 3), inverse(2, 3)], 2, 3, id="only the second changed it"),
        pytest.param([inverse(2, 3), inverse(7, 3)], 7, 3, id="somebody changed it between"),
        pytest.param(
            [inverse(2, 3), inverse(7, 3), inverse(3, 5)], 7, 5, id="and it went on from there"
        ),
        pytest.param(
            [inverse(2, 3), inverse(3, 4), inverse(3, 4)], 2, 4, id="the second never acted"
        ),
        pytest.param(
            [inverse(2, 3), inverse(3, 4, uid="u2")], 3, 4, id="somebody replaced the target"
        ),
    ],
)
def test_from_what_the_first_found_to_what_the_last_left(
    attempts: list[CapturedInverse], before: int, after: int
) -> None:
    found = combined(attempts)

    assert found is not None
    assert (found.before, found.after) == (
        {"spec.replicas": str(before)},
        {"spec.replicas": str(after)},
    )
    assert found.rollback_parameters is not None
    assert found.rollback_parameters.scale_deployment is not None
    assert found.rollback_parameters.scale_deployment.replicas == before
    assert found.target == attempts[-1].target


def patched(**fields: tuple[str, str]) -> CapturedInverse:
    """Return what was captured before a free patch, as each field before and after."""
    return msgspec.structs.replace(
        inverse(1, 2),
        before={path: before for path, (before, _) in fields.items()},
        after={path: after for path, (_, after) in fields.items()},
    )


@pytest.mark.parametrize(
    ("attempts", "whole"),
    [
        pytest.param(
            [patched(x=("1", "2"), y=("1", "2")), patched(y=("1", "2"))],
            patched(x=("1", "2"), y=("1", "2")),
            id="somebody took one back",
        ),
        pytest.param(
            [patched(x=("1", "2"), y=("1", "2")), patched(y=("7", "2"))],
            patched(x=("1", "2"), y=("7", "2")),
            id="somebody changed one",
        ),
        pytest.param(
            [patched(x=("1", "2")), patched(y=("1", "2"))],
            patched(x=("1", "2"), y=("1", "2")),
            id="another one",
        ),
        pytest.param(
            [patched(x=("1", "2"), y=("1", "2")), patched(y=("7", "2")), patched(x=("2", "3"))],
            patched(x=("1", "3"), y=("7", "2")),
            id="each in its turn",
        ),
        pytest.param(
            [patched(x=("1", "2")), patched(x=("7", "2"), y=("1", "2"))],
            patched(x=("7", "2"), y=("1", "2")),
            id="somebody changed all",
        ),
    ],
)
def test_no_field_is_left_behind_that_only_an_earlier_attempt_changed(
    attempts: list[CapturedInverse], whole: CapturedInverse
) -> None:
    found = combined(attempts)

    assert found is not None
    assert (found.before, found.after) == (whole.before, whole.after)


def test_more_fields_than_an_execution_may_name_are_not_put_together() -> None:
    first = patched(**{f"x{n}": ("1", "2") for n in range(20)})
    second = patched(**{f"y{n}": ("1", "2") for n in range(20)})

    assert combined([first, second]) == second


def test_attempts_that_changed_nothing_need_no_undo() -> None:
    assert combined([]) is None
    assert combined([inverse(3, 3), inverse(3, 3)]) is None


def attempted(*captures: CapturedInverse | None, wrote: bool = True) -> Way:
    """Return the way back of a step whose last attempt completed; all wrote, or only that one."""
    workflow = _tried(failed_after(scale_step("a")), len(captures))
    *failed, last = (
        execution_of(
            workflow,
            "a",
            attempt=number,
            phase=ExecutionPhase.FAILED if number < len(captures) else ExecutionPhase.COMPLETED,
            captured=captured,
        )
        for number, captured in enumerate(captures, start=1)
    )
    made = [EffectRecord(verb="patch", kind="Deployment", name="x")] if wrote else []
    failed = [
        msgspec.structs.replace(each, status=msgspec.structs.replace(each.status, effects=made))
        for each in failed
    ]
    return Way(workflow, executions=[*failed, last])


def test_an_undo_spans_all_attempts_of_its_step() -> None:
    way = attempted(inverse(2, 3), None, inverse(3, 4)).go()

    (wanted,) = way.created
    assert wanted.spec.rollback_of is not None
    assert wanted.spec.rollback_of.before == {"spec.replicas": "2"}
    assert wanted.spec.rollback_of.after == {"spec.replicas": "4"}
    assert wanted.spec.rollback_of.execution_ref.name == way.executions[2].metadata.name
    assert wanted.spec.parameters == inverse(2, 3).rollback_parameters


def test_a_change_of_an_earlier_attempt_is_undone_though_the_last_one_found_its_goal() -> None:
    way = attempted(inverse(2, 3), inverse(3, 3)).go()

    assert way.undone == ["a"]


def test_what_somebody_else_did_between_two_attempts_is_not_undone() -> None:
    way = attempted(inverse(2, 3), inverse(3, 3), wrote=False).go()

    assert way.undone == []
    assert undo_step(way.workflow, "a").reason == "NothingToUndo"


def test_a_step_whose_attempts_all_found_their_goal_is_skipped() -> None:
    way = attempted(inverse(3, 3), inverse(3, 3)).go()

    step = undo_step(way.workflow, "a")
    assert way.created == []
    assert (step.phase, step.reason) == (RollbackStepPhase.SKIPPED, "NothingToUndo")


@pytest.mark.parametrize(
    ("last", "phase"),
    [
        pytest.param(inverse(3, 3), RollbackStepPhase.FAILED, id="goal reached"),
        pytest.param(
            msgspec.structs.replace(inverse(3, 3), available=True),
            RollbackStepPhase.FAILED,
            id="made again",
        ),
        pytest.param(
            msgspec.structs.replace(inverse(2, 3), kept_in="a"),
            RollbackStepPhase.FAILED,
            id="nobody sees what it found",
        ),
        pytest.param(inverse(2, 3), RollbackStepPhase.COMPLETED, id="knows what was before"),
    ],
)
def test_a_change_of_an_attempt_whose_execution_is_gone_is_not_taken_for_undone(
    last: CapturedInverse, phase: RollbackStepPhase
) -> None:
    way = attempted(inverse(2, 3), last)
    del way.executions[0]

    way.go()

    step = undo_step(way.workflow, "a")
    assert step.phase is phase
    if phase is RollbackStepPhase.FAILED:
        assert step.reason == "UndoDataMissing"
        assert step.message.startswith("the execution of attempt 1 is gone")


def _tried(workflow: WorkflowExecution, attempts: int) -> WorkflowExecution:
    steps = [
        msgspec.structs.replace(step, attempts=attempts) if step.name == "a" else step
        for step in workflow.status.steps
    ]
    status = msgspec.structs.replace(workflow.status, steps=steps)
    return msgspec.structs.replace(workflow, status=status)
