"""Claims, stamps, three-way undo and results."""

from datetime import timedelta

import msgspec
import pytest

from services.executor.core import claims, results
from services.executor.core.changes import (
    AlreadyUndone,
    Drifted,
    RefusedError,
    Restore,
    State,
    judge_undo,
)
from services.executor.core.operations import KEPT, Operation, is_stamped, read, stamped
from shared.api.enums import ErrorType, ExecutionPhase, Intent, OnDrift
from shared.api.execution import (
    CapturedInverse,
    EffectRecord,
    KubernetesExecution,
    RollbackOf,
    TargetRef,
)
from shared.api.meta import LAST_OPERATIONS_ANNOTATION, NamedRef
from shared.api.results import RestartResult, StepResult
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import Token
from shared.ids import Uid
from tests.support.builders import NOW, execution_of, make_workflow, planned, scale_step
from tests.unit.executor.live import live_deployment

TARGET = TargetRef(kind="Deployment", name="web", namespace="default", uid=Uid("u1"))
BEFORE, AFTER = {"spec.replicas": "2"}, {"spec.replicas": "5"}
STATE = State(before=BEFORE, after=AFTER)


def _granted(fence: int = 1, attempt: int = 1) -> WorkflowExecution:
    workflow = planned(make_workflow([scale_step("a")]))
    token = Token(attempt=attempt, fence=fence, granted_at=NOW)
    status = msgspec.structs.replace(workflow.status, tokens={"a": token})
    return msgspec.structs.replace(workflow, status=status)


def _claim(execution: KubernetesExecution, holder: str = "executor-0") -> KubernetesExecution:
    status = claims.claimed(execution, holder=holder, now=NOW, inverse=None)
    return msgspec.structs.replace(execution, status=status)


def _with_intent(execution: KubernetesExecution, intent: Intent) -> KubernetesExecution:
    return msgspec.structs.replace(
        execution, spec=msgspec.structs.replace(execution.spec, intent=intent)
    )


def _with_meta(execution: KubernetesExecution, **changes: object) -> KubernetesExecution:
    meta = msgspec.structs.replace(execution.metadata, **changes)
    return msgspec.structs.replace(execution, metadata=meta)


def test_what_dates_pods_says_when_an_execution_was_made() -> None:
    pending = execution_of(_granted(), "a")
    claim = _claim(pending)
    made = NOW + timedelta(hours=1)

    assert claims.made_at(_with_meta(claim, creation_timestamp=made), now=NOW) == made
    assert claims.made_at(claim, now=made) == NOW
    assert claims.made_at(pending, now=made) == made


def test_an_execution_whose_token_is_held_may_be_claimed() -> None:
    workflow = _granted()

    assert claims.refusal(execution_of(workflow, "a"), workflow, holder_is_gone=False) is None


@pytest.mark.parametrize(
    ("execution", "workflow", "expected"),
    [
        (execution_of(_granted(), "a", phase=ExecutionPhase.COMPLETED), _granted(), "has ended"),
        (_with_intent(execution_of(_granted(), "a"), Intent.VOID), _granted(), "tombstone"),
        (execution_of(_granted(), "a", claimed=True), _granted(), "another executor holds it"),
        (execution_of(_granted(), "a"), None, "workflow is gone"),
        (_with_meta(execution_of(_granted(), "a"), name="copy"), _granted(), claims.FOREIGN),
        (
            _with_meta(execution_of(_granted(), "a"), owner_references=[]),
            _granted(),
            claims.FOREIGN,
        ),
        (execution_of(_granted(), "a"), planned(make_workflow([scale_step("a")])), "token"),
        (execution_of(_granted(), "a"), _granted(fence=2), "token"),
        (execution_of(_granted(), "a"), _granted(attempt=2), "token"),
    ],
    ids=[
        "ended",
        "void",
        "held",
        "orphan",
        "copy",
        "not owned",
        "no token",
        "old fence",
        "old attempt",
    ],
)
def test_an_execution_that_is_not_ours_to_run_is_refused(
    execution: KubernetesExecution, workflow: WorkflowExecution | None, expected: str
) -> None:
    refusal = claims.refusal(execution, workflow, holder_is_gone=False)

    assert refusal is not None
    assert expected in refusal


def test_a_claim_of_a_holder_that_is_gone_is_taken_over_under_a_higher_fence() -> None:
    workflow = _granted()
    first = _claim(execution_of(workflow, "a"))
    assert claims.refusal(first, workflow, holder_is_gone=True) is None

    second = _claim(first, holder="executor-1")

    assert second.status.claim_fence == first.status.claim_fence + 1
    assert second.status.start_time == first.status.start_time
    assert claims.holds(second, second)
    assert not claims.holds(second, first)


def test_what_the_first_holder_captured_is_kept() -> None:
    first, second = (
        CapturedInverse(available=True, before={"x": value}, after={}, target=TARGET)
        for value in "12"
    )
    execution = execution_of(_granted(), "a", captured=first)

    status = claims.claimed(execution, holder="executor-1", now=NOW, inverse=second)

    assert status.rollback_information == first


def test_a_claim_does_not_stand_on_what_ended_or_was_made_again() -> None:
    claim = _claim(execution_of(_granted(), "a"))
    ended = msgspec.structs.replace(
        claim, status=msgspec.structs.replace(claim.status, phase=ExecutionPhase.COMPLETED)
    )
    remade = msgspec.structs.replace(
        claim, metadata=msgspec.structs.replace(claim.metadata, uid=Uid("another"))
    )

    assert not claims.holds(None, claim)
    assert not claims.holds(ended, claim)
    assert not claims.holds(remade, claim)


def _stamped(*ids: str) -> dict[str, object]:
    live = live_deployment()
    for number, id_ in enumerate(ids):
        value = stamped(live, Operation(id=id_, fence=number, claim_fence=1))
        live["metadata"]["annotations"] = {LAST_OPERATIONS_ANNOTATION: value}
    return live


def test_a_stamp_is_found_again_and_the_newest_comes_first() -> None:
    live = _stamped("one", "two")

    assert is_stamped(live, "one")
    assert not is_stamped(live, "three")
    assert [operation.id for operation in read(live)] == ["two", "one"]


def test_stamping_twice_keeps_one() -> None:
    assert [operation.id for operation in read(_stamped("one", "two", "one"))] == ["one", "two"]


def test_stamps_are_bounded() -> None:
    ids = [f"op{number}" for number in range(KEPT + 3)]

    assert [operation.id for operation in read(_stamped(*ids))] == ids[:2:-1]


@pytest.mark.parametrize("text", ["", "rubbish", "a/b/c", "a/1", ",,,", "a/1/2", "a/1/2/3/4"])
def test_an_annotation_that_a_person_broke_is_read_as_nothing(text: str) -> None:
    assert read(live_deployment(annotations={LAST_OPERATIONS_ANNOTATION: text})) == []


def _undo(on_drift: OnDrift = OnDrift.SKIP) -> RollbackOf:
    return RollbackOf(
        step="a",
        execution_ref=NamedRef(name="x", namespace="default"),
        target=TARGET,
        before=BEFORE,
        after=AFTER,
        on_drift=on_drift,
    )


@pytest.mark.parametrize(
    ("live", "uid", "expected"),
    [
        (AFTER, "u1", Restore),
        (BEFORE, "u1", AlreadyUndone),
        ({"spec.replicas": "9"}, "u1", Drifted),
        (AFTER, "u2", Drifted),
    ],
    ids=["as left", "as before", "changed by somebody", "another object"],
)
def test_undo_compares_three_values(live: dict[str, str], uid: str, expected: type) -> None:
    assert isinstance(judge_undo(_undo(), STATE, live, uid), expected)


def test_drift_is_overridden_when_asked_but_never_onto_another_object() -> None:
    forced = _undo(OnDrift.FORCE)

    assert isinstance(judge_undo(forced, STATE, {"spec.replicas": "9"}, "u1"), Restore)
    assert isinstance(judge_undo(forced, STATE, AFTER, "u2"), Drifted)


def test_drift_names_the_fields() -> None:
    verdict = judge_undo(_undo(), STATE, {"spec.replicas": "9"}, "u1")

    assert isinstance(verdict, Drifted)
    assert "spec.replicas" in verdict.message


def test_a_completed_execution_tells_what_it_did_and_how_long_it_took() -> None:
    inverse = CapturedInverse(available=True, before=BEFORE, after=AFTER, target=TARGET)
    claim = _claim(execution_of(_granted(), "a", captured=inverse))

    status = results.completed(claim, StepResult(success=True), now=NOW + timedelta(seconds=2))

    outcome = status.execution_results
    assert outcome is not None
    assert (status.phase, outcome.success, outcome.duration) == ("Completed", True, "2.000s")
    (affected,) = outcome.resources_affected
    assert (affected.name, affected.before, affected.after) == ("web", "2", "5")
    assert [condition.type for condition in status.conditions] == ["Completed"]


def test_a_restart_names_the_pods_that_its_ledger_says_were_deleted() -> None:
    def deleted(name: str, *, answered: bool = True) -> EffectRecord:
        return EffectRecord(verb="delete", kind="Pod", name=name, answered=answered)

    claim = _claim(execution_of(_granted(), "a"))
    effects = [deleted("web-1"), deleted("web-2"), deleted("web-3", answered=False)]
    status = msgspec.structs.replace(claim.status, effects=effects)
    claim = msgspec.structs.replace(claim, status=status)
    result = StepResult(success=True, restart_result=RestartResult(pods_restarted=2))

    outcome = results.completed(claim, result, now=NOW).execution_results

    assert outcome is not None
    assert outcome.result is not None
    assert outcome.result.restart_result == RestartResult(
        pods_restarted=2, restarted_pods=["web-1", "web-2"]
    )


def test_what_was_made_from_a_bare_manifest_was_not_there_before() -> None:
    made = CapturedInverse(available=True, target=TARGET, absent_before=True)
    claim = _claim(execution_of(_granted(), "a", captured=made))
    convergent = msgspec.structs.replace(claim.spec, convergent=True)

    status = results.completed(
        msgspec.structs.replace(claim, spec=convergent), StepResult(success=True), now=NOW
    )

    outcome = status.execution_results
    assert outcome is not None
    assert outcome.reason == "ActionSucceeded"
    assert len(outcome.resources_affected) == 1


def test_a_goal_that_names_no_field_is_said_to_be_reached_in_whole_words() -> None:
    found = CapturedInverse(available=False, target=TARGET)
    claim = _claim(execution_of(_granted(), "a", captured=found))
    convergent = msgspec.structs.replace(claim.spec, convergent=True)

    status = results.completed(
        msgspec.structs.replace(claim, spec=convergent), StepResult(success=True), now=NOW
    )

    assert status.message == "already satisfied"


def test_the_job_that_ran_and_the_end_of_its_log_stand_in_the_status() -> None:
    claim = _claim(execution_of(_granted(), "a"))
    status = results.completed(claim, StepResult(success=True), now=NOW)

    ran = results.with_job(status, name="a-job", logs="done")

    assert ran.execution_results is not None
    assert (ran.job_name, ran.execution_results.job_name) == ("a-job", "a-job")
    assert ran.execution_results.pod_logs == "done"
    assert results.with_job(status, name="", logs="") == status


def test_a_failed_execution_tells_why_within_bounds() -> None:
    claim = _claim(execution_of(_granted(), "a"))
    error = RefusedError(ErrorType.RESOURCE_NOT_FOUND, "x" * 1000, reason="NotFound")

    status = results.failed(claim, error, now=NOW)

    outcome = status.execution_results
    assert outcome is not None
    assert (status.phase, outcome.success) == ("Failed", False)
    assert (outcome.error_type, outcome.reason) == (ErrorType.RESOURCE_NOT_FOUND, "NotFound")
    assert len(status.message) == 256
    assert status.claim_fence == claim.status.claim_fence
