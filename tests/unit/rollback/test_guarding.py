"""Safety policies on the way back."""

from datetime import datetime, timedelta

from services.rollback.core import trigger
from services.rollback.core.bounds import Bounds
from services.rollback.core.guarding import Safety
from shared.api.enums import RollbackPhase, RollbackStepPhase
from shared.api.execution import KubernetesExecution
from shared.api.results import SafetyResult
from shared.api.workflow import WorkflowExecution
from shared.workflow.safety import SafetyAnswer
from tests.support.builders import NOW, by_name
from tests.support.undoing import at, failed_diamond, forward, rollback_of, undo, undo_step

ALLOWED = SafetyAnswer(result=SafetyResult(allowed=True, policy_revision="v1"))
NO = SafetyResult(allowed=False, reasons=["safety.scale: not now"], policy_revision="v1")
DENIED = SafetyAnswer(result=NO)
SILENT = SafetyAnswer(result=NO, is_answered=False)


def begun() -> tuple[WorkflowExecution, list[KubernetesExecution]]:
    workflow = failed_diamond()
    status = trigger.decide(workflow, {}, now=NOW)
    assert status is not None
    return at(workflow, status), forward(workflow)


def moved(
    workflow: WorkflowExecution,
    executions: list[KubernetesExecution],
    safety: Safety,
    *,
    now: datetime = NOW,
) -> WorkflowExecution:
    status = trigger.decide(workflow, by_name(*executions), now=now, safety=safety)
    return at(workflow, status) if status else workflow


def test_the_next_try_is_known_before_it_begins() -> None:
    workflow, executions = begun()

    wanted = trigger.next_try(workflow, by_name(*executions), now=NOW, bounds=Bounds())

    assert wanted is not None
    assert (wanted.spec.step_name, wanted.spec.attempt) == ("c", 1)
    assert wanted.spec.action == "scale_deployment"


def test_an_allowed_undo_begins_and_says_by_what_revision() -> None:
    workflow, executions = begun()

    after = moved(workflow, executions, {("c", 1): ALLOWED})

    assert undo_step(after, "c").phase is RollbackStepPhase.RUNNING
    assert undo_step(after, "c").safety == ALLOWED.result
    assert trigger.next_try(after, by_name(*executions), now=NOW, bounds=Bounds()) is None


def test_row_72_a_denied_undo_fails_and_the_others_go_on() -> None:
    workflow, executions = begun()

    denied = moved(workflow, executions, {("c", 1): DENIED})
    after = moved(denied, executions, {("b", 1): ALLOWED})
    done = [*executions, undo(after, "b")]
    after = moved(moved(after, done, {("a", 1): ALLOWED}), [*done, undo(after, "a")], {})

    failed = undo_step(after, "c")
    assert (failed.phase, failed.reason) == (RollbackStepPhase.FAILED, "PolicyViolation")
    assert failed.message == "safety.scale: not now"
    assert failed.attempt == 0
    assert rollback_of(after).phase is RollbackPhase.FAILED
    assert rollback_of(after).failures == 1


def test_an_undo_that_nobody_asked_about_does_not_begin() -> None:
    workflow, executions = begun()

    assert moved(workflow, executions, {}) == workflow


def test_row_73_without_an_answer_an_undo_waits() -> None:
    workflow, executions = begun()

    held = moved(workflow, executions, {("c", 1): SILENT})
    waiting = undo_step(held, "c")
    later = NOW + timedelta(seconds=2)
    after = moved(held, executions, {("c", 1): ALLOWED}, now=later)

    assert (waiting.phase, waiting.reason) == (RollbackStepPhase.PENDING, "PolicyUnavailable")
    assert waiting.next_attempt_time == later
    assert trigger.next_try(held, by_name(*executions), now=NOW, bounds=Bounds()) is None
    assert undo_step(after, "c").phase is RollbackStepPhase.RUNNING
