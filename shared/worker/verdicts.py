"""What verdicts of policies make of a condition, and of a change."""

from collections.abc import Sequence
from typing import Any, Final

from shared.api.results import ConditionResult, SafetyResult
from shared.api.workflow_spec import StepCondition
from shared.policy.library import Library
from shared.policy.port import Policy, Verdict
from shared.worker.overrides import Requirement
from shared.workflow.safety import SafetyAnswer

_MAX_MESSAGE: Final = 256
_MAX_REASONS: Final = 16
_MEASURED: Final = "throttled"
UNMEASURED: Final = "not evaluated: nothing here measures whether pods are throttled"

Found = tuple[Policy, Verdict]
"""A policy, and what it said."""


def asks_what_nothing_measures(policy: Policy | str, data: dict[str, Any] | str) -> bool:
    """Return whether a policy reads a figure of pods that needs metrics, and there are none."""
    if isinstance(policy, str) or isinstance(data, str) or _MEASURED not in policy.module:
        return False
    return any(_MEASURED not in pod for pod in data.get("pods", ()))


def skipped(
    condition: StepCondition, required: Requirement, library: Library, *, why: str = ""
) -> ConditionResult:
    """Return the result of a condition that is not evaluated; it holds for nobody."""
    return ConditionResult(
        condition_type=condition.type,
        required=required.is_required,
        evaluated=False,
        passed=False,
        error_message=why,
        policy_revision=library.revision,
        overridden_by=required.overridden_by,
    )


def result_of(
    condition: StepCondition, required: Requirement, verdict: Verdict, library: Library
) -> ConditionResult:
    """Return the result of a condition as its policy found it, with why it does not hold."""
    why = "" if verdict.allowed else "; ".join(verdict.reasons) or "it does not hold"
    if why and required.overridden_by and not required.is_required:
        why = f"not required by {required.overridden_by}: {why}"
    return ConditionResult(
        condition_type=condition.type,
        required=required.is_required,
        evaluated=True,
        passed=verdict.allowed,
        error_message=why[:_MAX_MESSAGE],
        evaluation_time=f"{verdict.seconds:.3f}s",
        policy_revision=library.revision,
        attempts=1,
        overridden_by=required.overridden_by,
    )


def judged(library: Library, found: Sequence[Found]) -> SafetyAnswer:
    """Return the answer of all safety policies."""
    if not found:
        return unsafe(["there are no safety policies"], library, is_answered=False)
    opposed = against(found)
    if opposed:
        is_answered = all(verdict.failure is None for _, verdict in opposed)
        return unsafe(_told(opposed), library, is_answered=is_answered)
    notes = [f"{policy.name}: {note}" for policy, verdict in found for note in verdict.notes]
    result = SafetyResult(allowed=True, notes=_bounded(notes), policy_revision=library.revision)
    return SafetyAnswer(result=result)


def against(found: Sequence[Found]) -> Sequence[Found]:
    """Return the policies that deny or, if there are none, those that gave no answer."""
    opposed = [each for each in found if not each[1].allowed]
    return [each for each in opposed if each[1].failure is None] or opposed


def unsafe(reasons: list[str], library: Library, *, is_answered: bool) -> SafetyAnswer:
    """Return an answer that does not allow; `is_answered` says whether policies gave it."""
    result = SafetyResult(
        allowed=False, reasons=_bounded(reasons), policy_revision=library.revision
    )
    return SafetyAnswer(result=result, is_answered=is_answered)


def _told(found: Sequence[Found]) -> list[str]:
    return [f"{policy.name}: {why}" for policy, verdict in found for why in verdict.reasons]


def _bounded(texts: Sequence[str]) -> list[str]:
    return [text[:_MAX_MESSAGE] for text in texts[:_MAX_REASONS]]
