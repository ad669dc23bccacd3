"""How far back: a rollback that stops at a step leaves that one, and what is before it."""

import msgspec
import pytest

from services.rollback.core import trigger
from shared.api.enums import Control, ErrorType, Phase, RollbackType
from shared.api.workflow import WorkflowExecution
from tests.support.builders import NOW
from tests.support.undoing import Way, asked, at, failed_diamond, rollback_of

MANUAL = RollbackType.MANUAL


def degraded() -> WorkflowExecution:
    """Return a diamond that waits for a person: a, b and c completed, d failed."""
    return Way(failed_diamond(MANUAL)).go().workflow


def going() -> WorkflowExecution:
    """Return a diamond that is about to stop, and that nobody has asked anything of."""
    return failed_diamond(MANUAL)


def messages(workflow: WorkflowExecution) -> dict[str, str]:
    return {each.type: each.message for each in workflow.status.conditions}


@pytest.mark.parametrize(
    ("to", "undone", "kept"),
    [("a", ["c", "b"], ["a"]), ("b", ["c"], ["b", "a"]), ("c", [], ["c", "b", "a"])],
)
@pytest.mark.parametrize("start", [degraded, going])
def test_only_what_comes_after_the_step_is_undone(
    start: object, to: str, undone: list[str], kept: list[str]
) -> None:
    assert callable(start)
    way = Way(asked(start(), Control.ROLLBACK, to)).go()

    rollback = rollback_of(way.workflow)
    assert way.workflow.status.phase is Phase.ROLLED_BACK
    assert way.undone == [step.name for step in rollback.steps] == undone
    assert (rollback.to, rollback.kept) == (to, kept)
    how = f"{len(undone)} of {len(undone)} steps undone" if undone else "nothing to undo"
    assert messages(way.workflow)["RollbackCompleted"] == f"rolled back to {to}: {how}"
    assert f"rolled back to {to}" in messages(way.workflow)["RolledBack"]


def test_without_a_step_everything_is_undone_and_nothing_kept() -> None:
    way = Way(asked(degraded(), Control.ROLLBACK)).go()

    assert (rollback_of(way.workflow).to, rollback_of(way.workflow).kept) == ("", [])
    assert way.undone == ["c", "b", "a"]


def test_row_66_an_undo_that_fails_on_the_way_to_a_step_fails_the_rollback() -> None:
    def outcome(step: str, _: int) -> ErrorType | None:
        return ErrorType.PERMISSION_DENIED if step == "b" else None

    way = Way(asked(degraded(), Control.ROLLBACK, "a"), outcome=outcome).go()

    assert way.workflow.status.phase is Phase.ROLLBACK_FAILED
    assert messages(way.workflow)["RollbackFailed"] == (
        "rolled back to a: 1 of 2 steps undone; 1 undo failed: b"
    )


@pytest.mark.parametrize("wrong", ["ghost", "d"])
def test_a_step_that_it_cannot_stop_at_leaves_everything_as_it_was(wrong: str) -> None:
    refused = asked(degraded(), Control.ROLLBACK, wrong)

    assert not trigger.may_move(refused)
    assert trigger.decide(refused, {}, now=NOW) is None
    assert refused.status.phase is Phase.DEGRADED
    assert "spec.rollbackTo" in messages(refused)["ControlAccepted"]
    corrected = Way(asked(refused, Control.ROLLBACK, "a")).go()
    assert (corrected.undone, corrected.workflow.status.phase) == (["c", "b"], Phase.ROLLED_BACK)


def test_a_correction_that_nobody_has_answered_is_waited_for() -> None:
    accepted = asked(degraded(), Control.ROLLBACK, "a")
    spec = msgspec.structs.replace(accepted.spec, rollback_to="b")
    corrected = msgspec.structs.replace(accepted, spec=spec)

    assert trigger.may_move(accepted)
    assert not trigger.may_move(corrected)
    assert Way(asked(corrected, Control.ROLLBACK, "b")).go().undone == ["c"]


def test_a_refused_step_does_not_shorten_what_was_accepted_before() -> None:
    accepted = asked(going(), Control.ROLLBACK, "a")

    refused = asked(accepted, Control.ROLLBACK, "ghost")

    assert refused.status.control is not None
    assert not refused.status.control.accepted
    assert Way(refused).go().undone == ["c", "b"]


def test_row_68_a_restart_goes_on_to_the_same_step() -> None:
    way = Way(asked(degraded(), Control.ROLLBACK, "a"))
    way.move()
    stored = msgspec.json.decode(msgspec.json.encode(way.workflow), type=WorkflowExecution)
    again = Way(at(stored, stored.status), executions=way.executions).go()

    assert again.undone == ["c", "b"]
    assert rollback_of(again.workflow).kept == ["a"]
