"""What policies make of a step that may start: it starts, waits, or never will.

Pure functions over answers that were asked for beforehand. A denial of the safety policies
is final. A required precondition that does not hold is looked at again until its own time is
up (requirements 4.2), and so are safety policies that gave no answer: nothing starts on the
word of nobody.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from shared.api.enums import ErrorType, StepPhase, StepReason
from shared.api.results import ConditionResult
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Step, StepCondition
from shared.api.workflow_status import StepStatus
from shared.workflow import durations
from shared.workflow.definition import steps_of
from shared.workflow.rechecking import pause_after
from shared.workflow.safety import WITHOUT_ANSWER, SafetyAnswer

DEFAULT_TIMEOUT: Final = timedelta(seconds=30)
_MAX_MESSAGE: Final = 256


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What policies said of one attempt of a step, just before its grant."""

    attempt: int
    safety: SafetyAnswer
    conditions: tuple[ConditionResult, ...] = ()
    """Its preconditions in the order of the list; empty when safety held it up already."""

    @property
    def lets_go(self) -> bool:
        """Return whether the attempt may start."""
        return self.safety.result.allowed and failed_condition(self.conditions) is None


Guards = Mapping[str, Answers]
"""By step. A step without answers does not start."""


def failed_condition(results: Sequence[ConditionResult]) -> ConditionResult | None:
    """Return the first required condition that was evaluated and does not hold."""
    return next((r for r in results if r.required and r.evaluated and not r.passed), None)


def answered(
    workflow: WorkflowExecution,
    steps: Mapping[str, StepStatus],
    ready: Sequence[str],
    guards: Guards,
    *,
    only: frozenset[str] | None,
    now: datetime,
) -> tuple[dict[str, StepStatus], list[str], frozenset[str]]:
    """Return the steps as policies leave them, those still ready, and those that may start.

    Args:
        workflow: defines the steps.
        steps: all of them, as they stand.
        ready: the steps that only policies and tokens can hold up.
        guards: what was asked; answers about another attempt count for nothing.
        only: steps that may start when something else limits them too; None for all.
        now: what timeouts are compared with.
    """
    specs = steps_of(workflow)
    after, free = dict(steps), set[str]()
    for name in ready:
        answers = guards.get(name)
        if answers is None or answers.attempt != steps[name].attempts + 1:
            continue
        if answers.lets_go:
            if only is not None and name not in only:
                continue
            free.add(name)
        after[name] = _recorded(specs[name], steps[name], answers, now=now)
    held = {name for name in ready if after[name] is not steps[name]} - free
    return after, [name for name in ready if name not in held], frozenset(free)


def _recorded(spec: Step, step: StepStatus, answers: Answers, *, now: datetime) -> StepStatus:
    told = msgspec.structs.replace(
        step,
        safety=answers.safety.result,
        pre_condition_results=_added_up(step.pre_condition_results, answers.conditions),
    )
    if answers.lets_go:
        return msgspec.structs.replace(told, blocked_since=None)
    if not answers.safety.result.allowed:
        return _unsafe(told, answers.safety, now=now)
    failing = failed_condition(told.pre_condition_results)
    return told if failing is None else _unmet(spec, told, failing, now=now)


def _unsafe(step: StepStatus, answer: SafetyAnswer, *, now: datetime) -> StepStatus:
    why = answer.why_not
    if answer.is_answered:
        return _failed(step, StepReason.POLICY_VIOLATION, why, ErrorType.POLICY_DENIED)
    since = step.blocked_since or now
    if now - since >= WITHOUT_ANSWER:
        return _failed(step, StepReason.POLICY_UNAVAILABLE, why, ErrorType.POLICY_DENIED)
    message = f"not started, the safety policies gave no answer: {why}"
    return _blocked(step, StepReason.POLICY_UNAVAILABLE, message, since=since, due=now, attempts=3)


def _unmet(spec: Step, step: StepStatus, failing: ConditionResult, *, now: datetime) -> StepStatus:
    since = step.blocked_since or now
    deadline = since + _timeout(spec, failing.condition_type)
    why = f"precondition {failing.condition_type}: {failing.error_message}"
    if now >= deadline:
        message = f"not started, {why}"
        return _failed(step, StepReason.PRECONDITION_FAILED, message, ErrorType.PRECONDITION_FAILED)
    blocked = _blocked(
        step,
        StepReason.PRECONDITION_FAILED,
        why,
        since=since,
        due=now,
        attempts=failing.attempts,
    )
    due = min(deadline, blocked.next_attempt_time or deadline)
    return msgspec.structs.replace(blocked, next_attempt_time=due)


def _timeout(spec: Step, condition: str) -> timedelta:
    found: StepCondition | None = next(
        (c for c in spec.pre_conditions if c.type == condition), None
    )
    if found is None or found.timeout is None:
        return DEFAULT_TIMEOUT
    return durations.parse(found.timeout)


def _added_up(
    before: Sequence[ConditionResult], now: Sequence[ConditionResult]
) -> list[ConditionResult]:
    """Return the latest results, each with how often it was evaluated in all."""
    known = {result.condition_type: result.attempts for result in before}
    return [
        msgspec.structs.replace(
            result, attempts=result.attempts + known.get(result.condition_type, 0)
        )
        for result in now
    ]


def _blocked(
    step: StepStatus,
    reason: StepReason,
    message: str,
    *,
    since: datetime,
    due: datetime,
    attempts: int,
) -> StepStatus:
    return msgspec.structs.replace(
        step,
        phase=StepPhase.BLOCKED,
        reason=reason,
        message=message[:_MAX_MESSAGE],
        blocked_since=since,
        next_attempt_time=due + pause_after(attempts),
    )


def _failed(step: StepStatus, reason: StepReason, message: str, error: ErrorType) -> StepStatus:
    return msgspec.structs.replace(
        step,
        phase=StepPhase.FAILED,
        reason=reason,
        message=message[:_MAX_MESSAGE],
        error_type=error,
        blocked_since=None,
        next_attempt_time=None,
    )
