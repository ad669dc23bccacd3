"""A target that somebody else changed, of a step that says `onDrift: ask`: a person decides.

The undo waits for the answer, an annotation of the workflow, as long as the whole way back may
take. That time counts for nothing: what comes after keeps its own.
"""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from shared.api.enums import OnDrift, RollbackStepPhase
from shared.api.execution import KubernetesExecution
from shared.api.meta import ON_DRIFT_ANNOTATIONS
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Step
from shared.api.workflow_status import RollbackStep
from shared.workflow.undone import DRIFTED, UNDECIDED

_MAX_MESSAGE: Final = 256
_MAX_ANSWER: Final = 16
_MAX_SHOWN: Final = 40
"""Of an answer whose characters have to be spelled out."""
_HOW: Final = "; to decide, set the annotation "
_ANSWERS: Final = {"force": OnDrift.FORCE, "skip": OnDrift.SKIP}


def on_drift_of(workflow: WorkflowExecution, step: Step) -> OnDrift:
    """Return what the undo of a step does about drift; `ask` as long as nobody has answered."""
    if step.on_drift is not OnDrift.ASK:
        return step.on_drift
    return _ANSWERS.get(_answer(workflow, step.name), OnDrift.ASK)


def is_open(undo: KubernetesExecution) -> bool:
    """Return whether an undo that found drift did not know yet what to do about it."""
    told = undo.spec.rollback_of
    return told is not None and told.on_drift is OnDrift.ASK


def is_asking(step: RollbackStep) -> bool:
    """Return whether an undo waits for a person to decide."""
    return step.phase is RollbackStepPhase.PENDING and step.asked_time is not None


def asking(step: RollbackStep, why: str, *, now: datetime) -> RollbackStep:
    """Return the undo waiting for a person to decide."""
    return msgspec.structs.replace(
        step,
        phase=RollbackStepPhase.PENDING,
        reason=UNDECIDED,
        message=why[:_MAX_MESSAGE],
        asked_time=now,
        next_attempt_time=None,
    )


def decided(
    workflow: WorkflowExecution,
    steps: Sequence[RollbackStep],
    *,
    now: datetime,
    longest: timedelta | None,
) -> list[RollbackStep]:
    """Return the undos with those that waited for a decision going on, skipped, or asking.

    Args:
        workflow: whose annotations are the answers.
        steps: of the way back.
        now: compared with when they began to ask.
        longest: how long they ask; None for without end.
    """
    return [
        _decided(workflow, step, now=now, longest=longest) if is_asking(step) else step
        for step in steps
    ]


def waited(before: Sequence[RollbackStep], after: Sequence[RollbackStep], *, now: datetime) -> int:
    """Return the seconds that undos waited for a decision that has been made by now."""
    ended = (
        now - old.asked_time
        for old, new in zip(before, after, strict=True)
        if old.asked_time is not None and is_asking(old) and not is_asking(new)
    )
    return math.ceil(sum(ended, timedelta()).total_seconds())


def _decided(
    workflow: WorkflowExecution, step: RollbackStep, *, now: datetime, longest: timedelta | None
) -> RollbackStep:
    why, answer = step.message.partition(_HOW)[0], _answer(workflow, step.name)
    decision = _ANSWERS.get(answer)
    if decision is OnDrift.FORCE:
        return msgspec.structs.replace(step, reason="", message="", asked_time=None)
    if decision is OnDrift.SKIP:
        return _skipped(step, f"{why}; a person decided to skip it")
    ends = step.asked_time + longest if step.asked_time and longest else None
    if ends is not None and now >= ends:
        return _skipped(step, f"{why}; nobody decided in time")
    message = _question(step.name, why, answer, ends)
    return msgspec.structs.replace(step, message=message)


def _question(step: str, why: str, answer: str, ends: datetime | None) -> str:
    by = f" by {ends:%H:%M:%S}Z" if ends else ""
    wrong = f", not {repr(answer[:_MAX_ANSWER])[:_MAX_SHOWN]}" if answer else ""
    how = f"{_HOW}{ON_DRIFT_ANNOTATIONS}{step} to force or skip{by}{wrong}"
    return f"{why[: _MAX_MESSAGE - len(how)]}{how}"


def _skipped(step: RollbackStep, message: str) -> RollbackStep:
    return msgspec.structs.replace(
        step,
        phase=RollbackStepPhase.SKIPPED,
        reason=DRIFTED,
        message=message[:_MAX_MESSAGE],
        asked_time=None,
    )


def _answer(workflow: WorkflowExecution, step: str) -> str:
    given = workflow.metadata.annotations.get(f"{ON_DRIFT_ANNOTATIONS}{step}", "")
    return given.strip().lower()
