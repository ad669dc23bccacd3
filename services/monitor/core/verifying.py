"""Whether what a completed execution was to bring about holds: the postconditions of a step.

A step is `Verifying` from the end of its execution on. It completes in the first round in
which all required conditions hold and no optional one is worth waiting for. A required one
that does not hold in a round after its own time, counted from the end of the execution,
fails the step; an optional one is left as a warning in the results then. What a round did
not evaluate, because a required condition before it did not hold, gets at least one more.

Nothing here is kept anywhere but in the status of the step: its completion time, the results
of the latest round, and when the next one is due.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from shared.api.enums import ErrorType, StepPhase
from shared.api.results import ConditionResult
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Step, StepCondition
from shared.api.workflow_status import StepStatus
from shared.workflow import durations
from shared.workflow.rechecking import FIRST, pause_after
from shared.workflow.stopping import cancels_in_flight

DEFAULT_TIMEOUT: Final = timedelta(minutes=2)
_MAX_MESSAGE: Final = 256


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at all postconditions of one attempt found."""

    attempt: int
    number: int
    """Of the round, from 1. One that is not the next for its step counts for nothing."""
    asked_at: datetime
    results: tuple[ConditionResult, ...]
    """In the order of the list."""


Rounds = Mapping[str, Round]
"""By step."""


class _Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A condition, what the latest round said of it, and how long it has to come true."""

    result: ConditionResult
    deadline: datetime
    timeout: str

    @property
    def holds_up(self) -> bool:
        """Return whether its step cannot complete as long as this is so."""
        return self.result.required and not self.result.passed

    @property
    def may_come(self) -> bool:
        """Return whether it is only to be waited for."""
        return not self.result.required and self.result.evaluated and not self.result.passed


def begun(spec: Step, step: StepStatus, *, now: datetime) -> StepStatus:
    """Return a step whose execution completed, as it waits for the first round.

    Args:
        spec: the step as it is defined.
        step: as it would be without postconditions.
        now: the end of the execution, where that does not say it itself.
    """
    if not spec.post_conditions:
        return step
    return msgspec.structs.replace(
        step,
        phase=StepPhase.VERIFYING,
        completion_time=step.completion_time or now,
        next_attempt_time=None,
        post_condition_results=[],
    )


def rounds_so_far(step: StepStatus) -> int:
    """Return how often the postconditions of the latest attempt were looked at."""
    return max((result.attempts for result in step.post_condition_results), default=0)


def failing_condition(step: StepStatus) -> ConditionResult | None:
    """Return the first required postcondition that does not hold, as of the latest round."""
    return next((r for r in step.post_condition_results if r.required and not r.passed), None)


def due_steps(workflow: WorkflowExecution, *, now: datetime, woken: bool) -> list[StepStatus]:
    """Return the steps that are due for a round.

    Args:
        workflow: as it was read.
        now: the time of the round.
        woken: whether something happened in the workflow; then a round may come early, though
            never within a second after the last one.
    """
    return [
        step
        for step in workflow.status.steps
        if step.phase is StepPhase.VERIFYING and _is_due(step, now=now, woken=woken)
    ]


def next_round(workflow: WorkflowExecution) -> datetime | None:
    """Return when the next round of any step is due, or None when none waits for one."""
    due = [
        step.next_attempt_time
        for step in workflow.status.steps
        if step.phase is StepPhase.VERIFYING and step.next_attempt_time is not None
    ]
    return min(due, default=None)


def verified(
    workflow: WorkflowExecution,
    spec: Step,
    step: StepStatus,
    found: Round | None,
    *,
    now: datetime,
) -> StepStatus:
    """Return a verifying step after a round, or after a look without one.

    Args:
        workflow: tells whether what is in flight is to be ended.
        spec: the step as it is defined.
        step: as it stands.
        found: its latest round; None when there was none.
        now: when a step ended that is not waited for any longer.
    """
    after = step
    if found is not None and _is_next(step, found):
        after = _after(spec, step, found)
    if after.phase is StepPhase.VERIFYING and cancels_in_flight(workflow):
        return _given_up(spec, after, now=now)
    return after


def _is_due(step: StepStatus, *, now: datetime, woken: bool) -> bool:
    due = step.next_attempt_time
    if due is None or now >= due:
        return True
    return woken and now >= due - pause_after(rounds_so_far(step)) + FIRST


def _is_next(step: StepStatus, found: Round) -> bool:
    return found.attempt == step.attempts and found.number == rounds_so_far(step) + 1


def _after(spec: Step, step: StepStatus, found: Round) -> StepStatus:
    results = _added_up(spec.post_conditions, step.post_condition_results, found.results)
    told = msgspec.structs.replace(step, post_condition_results=results)
    judged = _judged(spec, results, ended=step.completion_time or found.asked_at)
    failing = next((each for each in judged if each.holds_up), None)
    if failing is not None and found.asked_at >= failing.deadline:
        return _failed(told, failing, at=found.asked_at)
    awaited = [each for each in judged if each.may_come and found.asked_at < each.deadline]
    if failing is not None:
        awaited.append(failing)
    if not awaited:
        return _settled(told, StepPhase.COMPLETED, at=found.asked_at)
    return _waiting(told, failing or awaited[0], awaited, at=found.asked_at)


def _judged(spec: Step, results: Sequence[ConditionResult], *, ended: datetime) -> list[_Judged]:
    return [
        _Judged(
            result=result,
            deadline=ended + _timeout(condition),
            timeout=condition.timeout or "2m",
        )
        for condition, result in zip(spec.post_conditions, results, strict=True)
    ]


def _timeout(condition: StepCondition) -> timedelta:
    return durations.parse(condition.timeout) if condition.timeout else DEFAULT_TIMEOUT


def _added_up(
    conditions: Sequence[StepCondition],
    before: Sequence[ConditionResult],
    latest: Sequence[ConditionResult],
) -> list[ConditionResult]:
    """Return one result for each condition, with how often it was evaluated in all.

    Of one that nothing was said of it is not known whether it holds.
    """
    found = []
    for place, condition in enumerate(conditions):
        result = latest[place] if place < len(latest) else _unsaid(condition)
        earlier = before[place].attempts if place < len(before) else 0
        found.append(msgspec.structs.replace(result, attempts=result.attempts + earlier))
    return found


def _unsaid(condition: StepCondition) -> ConditionResult:
    return ConditionResult(
        condition_type=condition.type,
        required=condition.required,
        evaluated=False,
        passed=False,
    )


def _failed(step: StepStatus, failing: _Judged, *, at: datetime) -> StepStatus:
    result = failing.result
    why = result.error_message or "nothing said whether it holds"
    message = f"postcondition {result.condition_type} not met within {failing.timeout}: {why}"
    return msgspec.structs.replace(
        _settled(step, StepPhase.FAILED, at=at),
        message=message[:_MAX_MESSAGE],
        error_type=ErrorType.POSTCONDITION_FAILED,
    )


def _waiting(
    step: StepStatus, shown: _Judged, awaited: Sequence[_Judged], *, at: datetime
) -> StepStatus:
    """Return a step with its next round: soon, and once more when the time of one is up."""
    again = at + pause_after(rounds_so_far(step))
    due = min([again, *(each.deadline for each in awaited)])
    message = f"waiting for {shown.result.condition_type}: {shown.result.error_message}"
    return msgspec.structs.replace(
        step, next_attempt_time=due, message=message.removesuffix(": ")[:_MAX_MESSAGE]
    )


def _given_up(spec: Step, step: StepStatus, *, now: datetime) -> StepStatus:
    """Return a step that nobody waits for any longer: as the latest round left it."""
    unsaid = [_unsaid(condition) for condition in spec.post_conditions]
    said = step.post_condition_results or unsaid
    missing = failing_condition(msgspec.structs.replace(step, post_condition_results=said))
    if missing is None:
        return _settled(step, StepPhase.COMPLETED, at=now)
    message = (
        f"postcondition {missing.condition_type} not verified, the workflow was ended; "
        "the change stays"
    )
    return msgspec.structs.replace(
        _settled(step, StepPhase.FAILED, at=now),
        message=message[:_MAX_MESSAGE],
        error_type=ErrorType.CANCELLED,
    )


def _settled(step: StepStatus, phase: StepPhase, *, at: datetime) -> StepStatus:
    ended = step.completion_time
    return msgspec.structs.replace(
        step,
        phase=phase,
        reason=None,
        message="",
        next_attempt_time=None,
        completion_time=max(ended, at) if ended else at,
    )
