"""How long one attempt of a step may take, and whether its durations can be read.

The default stands in the catalogue. Parsing alone is not enough: a duration of thirty
digits fits the schema and no clock.
"""

from datetime import timedelta
from typing import Final

from services.planner.core.defects import DEFINITION, Defect, Reason, step_path
from shared.api.workflow_spec import Step, WorkflowSpec
from shared.effects.catalogue import CATALOGUE, canonical
from shared.workflow import durations

MAX_TIMEOUT: Final = timedelta(minutes=15)
_FALLBACK: Final = timedelta(minutes=5)


def default_timeout(step: Step) -> timedelta:
    """Return the longest time of an attempt when the step names none."""
    action = canonical(step.action)
    return durations.parse(CATALOGUE[action].timeout) if action else _FALLBACK


def step_timeout(step: Step) -> timedelta:
    """Return the longest time of one attempt of a validated step."""
    return durations.parse(step.timeout) if step.timeout is not None else default_timeout(step)


def duration_defects(step: Step, *, longest_undo: timedelta) -> list[Defect]:
    """Return the durations of a step that are unreadable, zero or too long.

    Args:
        step: The step to look at.
        longest_undo: What one try of an undo may take; a longer one would be cut silently.
    """
    problems = {"timeout": _timeout_problem(step)}
    if step.retry_policy is not None:
        policy = step.retry_policy
        problems["retryPolicy.initialDelay"] = _unreadable(policy.initial_delay)
        problems["retryPolicy.maxDelay"] = _unreadable(policy.max_delay or "0s")
    if step.rollback is not None and step.rollback.timeout is not None:
        problems["rollback.timeout"] = _positive_problem(
            step.rollback.timeout, "an undo needs time to run"
        ) or _excess(step.rollback.timeout, longest_undo)
    return [
        Defect(
            path=step_path(step.name, field=field),
            reason=Reason.INVALID_DURATION,
            message=problem,
        )
        for field, problem in problems.items()
        if problem
    ]


def planning_defect(took: timedelta, limit: timedelta) -> Defect | None:
    """Return that planning took too long, if it did: the plan may rest on what has changed."""
    if took <= limit:
        return None
    message = f"took {took.total_seconds():g}s, {limit.total_seconds():g}s are allowed; try again"
    return Defect(path=DEFINITION, reason=Reason.PLANNING_TIMEOUT, message=message)


def deadline_defects(spec: WorkflowSpec) -> list[Defect]:
    """Return what is wrong with the times of the whole workflow, if anything is."""
    times = {
        "spec.deadline": (spec.deadline, "a workflow needs time to run"),
        "spec.executionStrategy.approvalTimeout": (
            spec.execution_strategy.approval_timeout,
            "people need time to answer",
        ),
    }
    return [
        Defect(path=path, reason=Reason.INVALID_DURATION, message=problem)
        for path, (text, why) in times.items()
        if text is not None and (problem := _positive_problem(text, why))
    ]


def _positive_problem(text: str, why: str) -> str:
    length = _length(text)
    if length is not None and length <= timedelta(0):
        return f"{why}; set more than zero, or remove it"
    return _unreadable(text)


def _timeout_problem(step: Step) -> str:
    if step.timeout is None:
        return ""
    length = _length(step.timeout)
    if length is None:
        return _unreadable(step.timeout)
    if length <= timedelta(0):
        return "a step needs time to run; set more than zero, or remove it for the default"
    return _excess(step.timeout, max(MAX_TIMEOUT, default_timeout(step)))


def _excess(text: str, limit: timedelta) -> str:
    length = _length(text)
    if length is None or length <= limit:
        return ""
    minutes, rest = divmod(limit, timedelta(minutes=1))
    longest = f"{limit.total_seconds():g}s" if rest else f"{minutes}m"
    return f"{text} is longer than {longest}; set {longest} or less"


def _unreadable(text: str) -> str:
    if _length(text) is not None:
        return ""
    return f"{text!r} is no duration; write it like 90s, 5m or 1h30m"


def _length(text: str) -> timedelta | None:
    try:
        return durations.parse(text)
    except (ValueError, OverflowError):
        return None
