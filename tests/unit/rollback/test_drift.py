"""A target that somebody else changed: skipped, overwritten, or left to a person to decide."""

from datetime import timedelta

import msgspec
import pytest

from services.rollback.core import trigger
from services.rollback.core.bounds import Bounds
from shared.api.enums import ErrorType, OnDrift, Phase, RollbackStepPhase
from shared.api.execution import KubernetesExecution
from shared.api.meta import Condition
from shared.api.workflow import WorkflowExecution
from tests.support.builders import NOW, by_name, scale_step
from tests.support.undoing import Way, at, failed_after, rollback_of, undo_step

PENDING, SKIPPED, COMPLETED = (
    RollbackStepPhase.PENDING,
    RollbackStepPhase.SKIPPED,
    RollbackStepPhase.COMPLETED,
)
WHOLE = timedelta(minutes=15)
BOUNDS = Bounds(step=timedelta(minutes=5), whole=WHOLE)
KEY = "kubernaut.io/on-drift.b"


def changed(undo: KubernetesExecution) -> bool:
    """Return whether the undo of b leaves what somebody else changed, as an executor would."""
    told = undo.spec.rollback_of
    return undo.spec.step_name == "b" and told is not None and told.on_drift is not OnDrift.FORCE


def replaced(undo: KubernetesExecution) -> bool:
    """Return whether the target of the undo is another object by now: nothing can be forced."""
    return undo.spec.step_name == "b"


def way(on_drift: OnDrift = OnDrift.ASK, *, bounds: Bounds = BOUNDS, **more: object) -> Way:
    """Return the way back of a and b, where somebody changed the target of b."""
    b = msgspec.structs.replace(scale_step("b", needs=["a"]), on_drift=on_drift)
    workflow = failed_after(scale_step("a"), b)
    return Way(workflow, bounds=bounds, **({"drifts": changed} | more))  # type: ignore[arg-type]


def answer(back: Way, said: str | None) -> Way:
    """Let a person set the annotation, or take it away."""
    meta = back.workflow.metadata
    annotations = {} if said is None else {KEY: said}
    meta = msgspec.structs.replace(meta, annotations=annotations)
    back.workflow = msgspec.structs.replace(back.workflow, metadata=meta)
    return back


def condition(workflow: WorkflowExecution, kind: str) -> Condition | None:
    return next((each for each in workflow.status.conditions if each.type == kind), None)


def test_row_70_who_is_to_ask_asks_and_holds_up_what_comes_after() -> None:
    back = way().go()

    waiting, told = undo_step(back.workflow, "b"), condition(back.workflow, "DriftNeedsDecision")
    assert (waiting.phase, waiting.reason) == (PENDING, "DriftNeedsDecision")
    assert waiting.message == (
        f"try 1 went wrong; to decide, set the annotation {KEY} to force or skip "
        f"by {NOW + WHOLE:%H:%M:%S}Z"
    )
    assert back.undone == ["b"]
    assert back.workflow.status.phase is Phase.ROLLING_BACK
    assert "waiting for a decision on drift: b" in back.workflow.status.message
    assert told is not None
    assert (told.status, told.message) == ("True", f"undo of b: {waiting.message}")
    assert not back.move()


def test_row_70_force_tries_again_and_overwrites() -> None:
    back = answer(way().go(), "force").go()

    told = [each.spec.rollback_of for each in back.created]
    over = condition(back.workflow, "DriftNeedsDecision")
    assert back.undone == ["b", "b", "a"]
    assert [each.on_drift for each in told if each] == [OnDrift.ASK, OnDrift.FORCE, OnDrift.SKIP]
    assert undo_step(back.workflow, "b").phase is COMPLETED
    assert back.workflow.status.phase is Phase.ROLLED_BACK
    assert condition(back.workflow, "RollbackSkippedDrift") is None
    assert over is not None
    assert over.status == "False"


def test_row_70_skip_leaves_it_and_goes_on() -> None:
    back = answer(way().go(), " Skip ").go()

    step = undo_step(back.workflow, "b")
    assert back.undone == ["b", "a"]
    assert (step.phase, step.reason) == (SKIPPED, "RollbackSkippedDrift")
    assert step.message == "try 1 went wrong; a person decided to skip it"
    assert back.workflow.status.phase is Phase.ROLLED_BACK
    assert "skipped: drift: b" in back.workflow.status.message


@pytest.mark.parametrize(("said", "undone"), [("force", ["b", "a"]), ("skip", ["b", "a"])])
def test_an_answer_may_be_given_beforehand(said: str, undone: list[str]) -> None:
    back = answer(way(), said).go()

    assert back.undone == undone
    assert back.workflow.status.phase is Phase.ROLLED_BACK
    expected = COMPLETED if said == "force" else SKIPPED
    assert undo_step(back.workflow, "b").phase is expected


def test_an_answer_that_is_none_is_told_and_asked_again() -> None:
    back = answer(way().go(), "maybe").go()

    assert undo_step(back.workflow, "b").message.endswith("Z, not 'maybe'")
    assert back.undone == ["b"]
    assert answer(back, "force").go().undone == ["b", "b", "a"]


@pytest.mark.parametrize("said", ["\U000e0001" * 20, "\x00" * 20, "'\"" * 20, "x" * 5000])
def test_rubbish_of_any_kind_fits_beside_the_question(said: str) -> None:
    name = "b" * 40
    asking = msgspec.structs.replace(scale_step(name), on_drift=OnDrift.ASK)
    workflow = failed_after(asking)
    meta = msgspec.structs.replace(
        workflow.metadata, annotations={f"kubernaut.io/on-drift.{name}": said}
    )
    workflow = msgspec.structs.replace(workflow, metadata=meta)

    back = Way(workflow, bounds=BOUNDS, drifts=lambda _: True).go()

    message = undo_step(back.workflow, name).message
    assert len(message) <= 256
    assert f"kubernaut.io/on-drift.{name} to force or skip" in message


def test_a_message_that_is_long_does_not_hide_the_question() -> None:
    back = way()
    back.go()
    step = msgspec.structs.replace(
        undo_step(back.workflow, "b"), message=f"{'x' * 256}; to decide, set the annotation old"
    )
    rollback = msgspec.structs.replace(
        rollback_of(back.workflow), steps=[step, undo_step(back.workflow, "a")]
    )
    status = msgspec.structs.replace(back.workflow.status, rollback=rollback)
    back.workflow = at(back.workflow, status)

    back.go()

    message = undo_step(back.workflow, "b").message
    assert len(message) == 256
    assert f"set the annotation {KEY} to force or skip by" in message


def test_row_70_without_an_answer_it_is_skipped_and_what_is_left_has_its_full_time() -> None:
    back = way().go()
    executions = by_name(*back.executions)
    assert trigger.next_look(back.workflow, executions, bounds=BOUNDS) == NOW + WHOLE
    back.now = NOW + WHOLE - timedelta(milliseconds=1)
    assert not back.move()

    back.now = NOW + WHOLE
    back.go()

    step = undo_step(back.workflow, "b")
    assert (step.phase, step.reason) == (SKIPPED, "RollbackSkippedDrift")
    assert step.message == "try 1 went wrong; nobody decided in time"
    assert undo_step(back.workflow, "a").phase is COMPLETED
    assert back.workflow.status.phase is Phase.ROLLED_BACK
    assert rollback_of(back.workflow).held_seconds == WHOLE.total_seconds()


def test_time_that_was_waited_for_a_decision_counts_for_nothing() -> None:
    def slow(step: str, _: int) -> ErrorType | None:
        return ErrorType.TIMEOUT if step == "a" else None

    back = way(outcome=slow).go()
    back.now = NOW + timedelta(minutes=14)
    answer(back, "force").go()
    back.now = NOW + timedelta(minutes=28)
    back.go()
    assert undo_step(back.workflow, "a").attempt == 2
    back.now = NOW + timedelta(minutes=29)
    back.go()

    assert rollback_of(back.workflow).held_seconds == timedelta(minutes=14).total_seconds()
    assert undo_step(back.workflow, "a").reason == "TimedOut"


def test_what_was_replaced_is_skipped_though_a_person_said_force() -> None:
    back = answer(way(drifts=replaced).go(), "force").go()

    assert back.undone == ["b", "b", "a"]
    assert undo_step(back.workflow, "b").reason == "RollbackSkippedDrift"


def test_without_bounds_it_waits_for_ever() -> None:
    back = way(bounds=Bounds()).go()
    back.now = NOW + timedelta(days=365)

    assert not back.move()
    assert trigger.next_look(back.workflow, by_name(*back.executions), bounds=Bounds()) is None
    assert " by " not in undo_step(back.workflow, "b").message


@pytest.mark.parametrize(
    ("on_drift", "phase"), [(OnDrift.SKIP, SKIPPED), (OnDrift.FORCE, COMPLETED)]
)
def test_who_does_not_ask_is_not_answered(on_drift: OnDrift, phase: RollbackStepPhase) -> None:
    opposite = "force" if on_drift is OnDrift.SKIP else "skip"

    back = answer(way(on_drift), opposite).go()

    assert back.undone == ["b", "a"]
    assert undo_step(back.workflow, "b").phase is phase


def test_row_68_a_question_survives_a_restart_and_is_asked_once() -> None:
    back = way().go()
    stored = msgspec.json.decode(msgspec.json.encode(back.workflow), type=WorkflowExecution)

    again = Way(stored, executions=back.executions, bounds=BOUNDS, drifts=changed)

    assert not again.move()
    assert answer(again, "force").go().undone == ["b", "a"]
    assert again.created[0].spec.attempt == 2
