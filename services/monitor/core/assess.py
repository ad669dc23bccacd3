"""What the executions say about the steps.

Judges by the latest attempt only. A `Settle` execution, where there is one, speaks for the
forward one that somebody deleted. A cancelled execution is left to the orchestrator.
"""

from collections.abc import Mapping
from datetime import datetime

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
) -> WorkflowStatus | None:
    """Return the judged status, or None when no step ended and the workflow did not."""
    status = workflow.status
    if status.phase not in {Phase.EXECUTING, Phase.PAUSED}:
        return None
    steps = [_judge(workflow, executions, step) for step in status.steps]
    judged = with_progress(workflow, steps, now=now)
    ended = judged.execution_complete_time != status.execution_complete_time
    return judged if ended or steps != status.steps else None


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
