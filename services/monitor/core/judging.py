"""What the executions say about the steps: ended, to be tried again, or blocked.

Judges by the latest attempt only, and each attempt once. A `Settle` execution, where there
is one, speaks for the forward one that somebody deleted, and what it finds is never tried
again. A cancelled execution is left to the orchestrator. A completed one whose step has
postconditions is not looked at again: its step is verified.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from services.monitor.core.verifying import Rounds, begun, verified
from shared.api.enums import (
    SETTLED_STEP_PHASES,
    ErrorType,
    ExecutionKind,
    ExecutionPhase,
    StepPhase,
    StepReason,
)
from shared.api.execution import KubernetesExecution
from shared.api.meta import ConditionStatus
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import StepStatus
from shared.ids import ExecutionName
from shared.workflow import durations
from shared.workflow.definition import steps_of
from shared.workflow.executions import name_of
from shared.workflow.retries import policy_of, retry_time
from shared.workflow.stopping import stop_reason

Executions = Mapping[ExecutionName, KubernetesExecution]

GRACE: Final = timedelta(seconds=30)
"""What an executor has beyond the timeout to say itself that time is up."""
_JUDGED: Final = SETTLED_STEP_PHASES | {StepPhase.VERIFYING}
_MAX_MESSAGE: Final = 256


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A step as its latest attempt leaves it if that attempt is the last one."""

    step: StepStatus
    retry: StepStatus | None = None
    """The step as it waits for its next attempt, where its policy grants one."""


def expected_executions(workflow: WorkflowExecution) -> list[ExecutionName]:
    """Return the executions that may say something new about the steps."""
    return [
        name_of(workflow, step.name, step.attempts, kind)
        for step in workflow.status.steps
        if is_open(step)
        for kind in (ExecutionKind.FORWARD, ExecutionKind.SETTLE)
        if kind is ExecutionKind.FORWARD or _may_be_settled(workflow, step)
    ]


def _may_be_settled(workflow: WorkflowExecution, step: StepStatus) -> bool:
    """Return whether another execution may speak for a step; its token may be gone by then."""
    return step.name in workflow.status.tokens or step.reason is StepReason.EXECUTION_DELETED


def is_open(step: StepStatus) -> bool:
    """Return whether the execution of the latest attempt of a step still has to be judged."""
    judged = step.phase in _JUDGED or step.reason is StepReason.RETRYING
    return step.attempts > 0 and not judged


def judged(
    workflow: WorkflowExecution,
    executions: Executions,
    *,
    now: datetime,
    rounds: Rounds | None = None,
) -> list[StepStatus]:
    """Return all steps after a look at their executions, in the order they had.

    What is final counts first: a failure that stops the workflow also ends the retries of
    whatever failed beside it.

    Args:
        workflow: the version that the result will be swapped against.
        executions: what a live read found of `expected_executions`.
        now: what deadlines are compared with.
        rounds: what was found of steps that are verified; None where nobody verifies any, so
            that postconditions count for nothing.
    """
    steps = workflow.status.steps
    verdicts = [_verdict(workflow, executions, step, now=now, rounds=rounds) for step in steps]
    final = [
        verdict.step if verdict.retry is None else step
        for verdict, step in zip(verdicts, steps, strict=True)
    ]
    changed = msgspec.structs.replace(
        workflow, status=msgspec.structs.replace(workflow.status, steps=final)
    )
    goes_on = stop_reason(changed) is None
    return [
        verdict.retry if verdict.retry is not None and goes_on else verdict.step
        for verdict in verdicts
    ]


def _verdict(
    workflow: WorkflowExecution,
    executions: Executions,
    step: StepStatus,
    *,
    now: datetime,
    rounds: Rounds | None,
) -> Verdict:
    if step.phase is StepPhase.VERIFYING:
        return _verified(workflow, step, rounds, now=now)
    execution = _latest(workflow, executions, step)
    if execution is None:
        return Verdict(step=step)
    if execution.status.phase is ExecutionPhase.COMPLETED:
        done = _ended(step, execution, StepPhase.COMPLETED)
        spec = steps_of(workflow)[step.name]
        return Verdict(step=done if rounds is None else begun(spec, done, now=now))
    return _not_done(workflow, step, execution, now=now)


def _not_done(
    workflow: WorkflowExecution,
    step: StepStatus,
    execution: KubernetesExecution,
    *,
    now: datetime,
) -> Verdict:
    match execution.status.phase:
        case ExecutionPhase.FAILED:
            return _failed(workflow, step, execution, now=now)
        case ExecutionPhase.CANCELLED:
            return Verdict(step=step)
        case _ if _is_overdue(execution, now=now):
            return Verdict(step=_overdue(step, execution, now=now))
        case _:
            return Verdict(step=_blocked_or_running(step, execution))


def _verified(
    workflow: WorkflowExecution, step: StepStatus, rounds: Rounds | None, *, now: datetime
) -> Verdict:
    if rounds is None:
        done = msgspec.structs.replace(
            step, phase=StepPhase.COMPLETED, message="", next_attempt_time=None
        )
        return Verdict(step=done)
    after = verified(workflow, steps_of(workflow)[step.name], step, rounds.get(step.name), now=now)
    if after.phase is not StepPhase.FAILED:
        return Verdict(step=after)
    return _tried_again(
        workflow,
        after,
        after.message,
        after.error_type or ErrorType.POSTCONDITION_FAILED,
        ended=after.completion_time or now,
    )


def _latest(
    workflow: WorkflowExecution, executions: Executions, step: StepStatus
) -> KubernetesExecution | None:
    if not is_open(step):
        return None
    for kind in (ExecutionKind.SETTLE, ExecutionKind.FORWARD):
        found = executions.get(name_of(workflow, step.name, step.attempts, kind))
        if found is not None:
            return found
    return None


def _ended(
    step: StepStatus,
    execution: KubernetesExecution,
    phase: StepPhase,
    *,
    message: str = "",
    error: ErrorType | None = None,
) -> StepStatus:
    status, checked = execution.status, execution.status.validation_results
    return msgspec.structs.replace(
        step,
        phase=phase,
        reason=None,
        message=(message or status.message)[:_MAX_MESSAGE],
        next_attempt_time=None,
        start_time=status.start_time,
        completion_time=status.completion_time,
        error_type=error,
        result=status.execution_results.result if status.execution_results else None,
        dry_run_results=checked.dry_run_results if checked else None,
    )


def _failed(
    workflow: WorkflowExecution,
    step: StepStatus,
    execution: KubernetesExecution,
    *,
    now: datetime,
) -> Verdict:
    results = execution.status.execution_results
    error = (results.error_type if results else None) or ErrorType.UNKNOWN_ERROR
    why = execution.status.message or str(error)
    message = f"after {step.attempts} attempts: {why}" if step.attempts > 1 else why
    final = _ended(step, execution, StepPhase.FAILED, message=message, error=error)
    if execution.spec.kind is not ExecutionKind.FORWARD:
        return Verdict(step=final)
    ended = execution.status.completion_time or now
    return _tried_again(workflow, final, why, error, ended=ended)


def _tried_again(
    workflow: WorkflowExecution,
    final: StepStatus,
    why: str,
    error: ErrorType,
    *,
    ended: datetime,
) -> Verdict:
    """Return a step whose latest attempt failed, and its retry if its policy grants one."""
    spec, strategy = steps_of(workflow)[final.name], workflow.spec.execution_strategy
    policy = policy_of(spec, strategy)
    due = retry_time(policy, attempt=final.attempts, error=error, ended=ended)
    if due is None:
        return Verdict(step=final)
    return Verdict(
        step=final,
        retry=_retrying(final, why, error, due=due, attempts=policy.max_retries + 1),
    )


def _retrying(
    step: StepStatus, why: str, error: ErrorType, *, due: datetime, attempts: int
) -> StepStatus:
    """Return a step that waits for its next attempt; no time of the last one is kept.

    A start time would say that the execution of the next attempt had been seen.
    """
    begin = f"attempt {step.attempts} of {attempts} failed: "
    end = f"; next at {due:%H:%M:%S}Z"
    return msgspec.structs.replace(
        step,
        phase=StepPhase.PENDING,
        reason=StepReason.RETRYING,
        message=f"{begin}{why[: _MAX_MESSAGE - len(begin) - len(end)]}{end}",
        next_attempt_time=due,
        start_time=None,
        completion_time=None,
        error_type=error,
        result=None,
    )


def _is_overdue(execution: KubernetesExecution, *, now: datetime) -> bool:
    """Return whether whoever holds an execution should long have ended it."""
    started = execution.status.start_time
    if started is None or not execution.is_claimed:
        return False
    return now >= started + durations.parse(execution.spec.timeout) + GRACE


def _overdue(step: StepStatus, execution: KubernetesExecution, *, now: datetime) -> StepStatus:
    message = (
        f"no result within {execution.spec.timeout}, and none since; "
        f"{execution.status.claimed_by} holds it"
    )
    failed = _ended(step, execution, StepPhase.FAILED, message=message, error=ErrorType.TIMEOUT)
    return msgspec.structs.replace(failed, completion_time=now)


def _blocked_or_running(step: StepStatus, execution: KubernetesExecution) -> StepStatus:
    why = _blocked_message(execution)
    if why is not None:
        return msgspec.structs.replace(
            step, phase=StepPhase.BLOCKED, reason=StepReason.TARGET_LOCKED, message=why
        )
    if step.phase is StepPhase.BLOCKED and step.reason is StepReason.TARGET_LOCKED:
        return msgspec.structs.replace(step, phase=StepPhase.RUNNING, reason=None, message="")
    return step


def _blocked_message(execution: KubernetesExecution) -> str | None:
    """Return for whom an execution waits that nobody may claim yet, or None if it may run.

    One that only settles changes no target, so nothing blocks it.
    """
    if execution.status.phase is not ExecutionPhase.PENDING:
        return None
    if execution.spec.kind is not ExecutionKind.FORWARD:
        return None
    for condition in execution.status.conditions:
        if condition.type == "Blocked" and condition.status is ConditionStatus.TRUE:
            return condition.message[:_MAX_MESSAGE]
    return None
