"""What the executions say about the steps.

Judges by the latest attempt only. A `Settle` execution, where there is one, speaks for the
forward one that somebody deleted. A cancelled execution is left to the orchestrator.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from services.monitor.core.progress import with_progress
from shared.api.enums import (
    SETTLED_STEP_PHASES,
    ErrorType,
    ExecutionKind,
    ExecutionPhase,
    Phase,
    StepPhase,
)
from shared.api.execution import KubernetesExecution
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import StepStatus, WorkflowStatus
from shared.ids import ExecutionName
from shared.workflow.executions import name_of

Executions = Mapping[ExecutionName, KubernetesExecution]

SHOW_RUNNING_AFTER: Final = timedelta(seconds=1)
"""A step that ends sooner is written once, as ended: Running would cost one more write."""


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """Status to write, if it differs, and when to look again for the sake of the display."""

    status: WorkflowStatus
    look_again_at: datetime | None = None


def expected_executions(workflow: WorkflowExecution) -> list[ExecutionName]:
    """Return the executions that may say something new about the steps."""
    return [
        name_of(workflow, step.name, step.attempts, kind)
        for step in workflow.status.steps
        if step.attempts and step.phase not in SETTLED_STEP_PHASES
        for kind in (ExecutionKind.FORWARD, ExecutionKind.SETTLE)
        if kind is ExecutionKind.FORWARD or step.name in workflow.status.tokens
    ]


def assess(
    workflow: WorkflowExecution, executions: Executions, *, now: datetime
) -> Judgement | None:
    """Return the judged status, or None when the workflow is not executing."""
    if workflow.status.phase not in {Phase.EXECUTING, Phase.PAUSED}:
        return None
    steps = [_judge(workflow, executions, step) for step in workflow.status.steps]
    material = steps != workflow.status.steps
    waiting = [
        started
        for step in workflow.status.steps
        if (started := _hidden_since(workflow, executions, step)) is not None
    ]
    shown = [at + SHOW_RUNNING_AFTER for at in waiting]
    if material or any(at <= now for at in shown):
        steps = [_show_running(workflow, executions, step) for step in steps]
        return Judgement(status=with_progress(workflow, steps, now=now))
    return Judgement(
        status=with_progress(workflow, steps, now=now), look_again_at=min(shown, default=None)
    )


def _latest(
    workflow: WorkflowExecution, executions: Executions, step: StepStatus
) -> KubernetesExecution | None:
    if not step.attempts or step.phase in SETTLED_STEP_PHASES:
        return None
    for kind in (ExecutionKind.SETTLE, ExecutionKind.FORWARD):
        found = executions.get(name_of(workflow, step.name, step.attempts, kind))
        if found is not None:
            return found
    return None


def _judge(workflow: WorkflowExecution, executions: Executions, step: StepStatus) -> StepStatus:
    execution = _latest(workflow, executions, step)
    if execution is None:
        return step
    status = execution.status
    match status.phase:
        case ExecutionPhase.COMPLETED:
            phase, error = StepPhase.COMPLETED, None
        case ExecutionPhase.FAILED:
            results = status.execution_results
            error = (results.error_type if results else None) or ErrorType.UNKNOWN_ERROR
            phase = StepPhase.FAILED
        case _:
            return step
    return msgspec.structs.replace(
        step,
        phase=phase,
        start_time=status.start_time,
        completion_time=status.completion_time,
        message=status.message,
        error_type=error,
        result=status.execution_results.result if status.execution_results else None,
    )


def _hidden_since(
    workflow: WorkflowExecution, executions: Executions, step: StepStatus
) -> datetime | None:
    """Return since when a step runs without status saying so."""
    execution = _latest(workflow, executions, step)
    if execution is None or execution.is_terminal or not execution.is_claimed:
        return None
    return execution.status.start_time if step.phase is StepPhase.QUEUED else None


def _show_running(
    workflow: WorkflowExecution, executions: Executions, step: StepStatus
) -> StepStatus:
    started = _hidden_since(workflow, executions, step)
    if started is None:
        return step
    return msgspec.structs.replace(step, phase=StepPhase.RUNNING, start_time=started, message="")
