"""What is written down when a step fails, when time is up, and when all steps have settled.

`workflowResult.outcome`:

- `success`: every step that was needed completed, or its fallback did.
- `partial_success`: a tolerated step failed, or an optional postcondition did not hold; or
  the workflow was cancelled after at least one step completed.
- `failed`: a critical step failed, time was up, approval was denied, a rollback was asked
  for, or the workflow was cancelled before anything completed.
- `unknown` is never written here; it is for readers of other versions.

`effectivenessScore` is the share of needed steps that completed, less 0.05 for each retry
and 0.10 for each step that was undone, between 0 and 1.
"""

from datetime import datetime
from typing import Final

import msgspec

from services.monitor.core.progress import failures, in_flight, is_over
from shared.api.enums import (
    RELEASING_REASONS,
    SETTLED_STEP_PHASES,
    ErrorType,
    RollbackStepPhase,
    StepPhase,
    StepReason,
)
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import (
    ExecutionMetrics,
    ExecutionSnapshot,
    StepStatus,
    WorkflowResult,
    WorkflowStatus,
)
from shared.workflow.definition import steps_of
from shared.workflow.durations import render
from shared.workflow.readiness import standings
from shared.workflow.stopping import critical_failure, is_cancelled, stop_reason

_RETRY_COST: Final = 0.05
_UNDO_COST: Final = 0.10
_MAX_MESSAGE: Final = 256


def renewed(workflow: WorkflowExecution) -> WorkflowStatus:
    """Return the status without the end of an earlier run that a person sent forward again."""
    status = workflow.status
    if status.execution_complete_time is not None and not is_over(workflow):
        status = msgspec.structs.replace(
            status,
            execution_complete_time=None,
            execution_metrics=None,
            workflow_result=None,
        )
    failed = {step.name for step in status.steps if step.phase is StepPhase.FAILED}
    if status.timed_out_at is None and status.failed_step and status.failed_step not in failed:
        status = msgspec.structs.replace(
            status, failed_step="", failed_action="", error_type=None, execution_snapshot=None
        )
    return status


def with_failure(workflow: WorkflowExecution) -> WorkflowStatus:
    """Return the status with the first critical failure written down, if there is one."""
    status, failed = workflow.status, critical_failure(workflow)
    if failed is None or status.failed_step or status.timed_out_at is not None:
        return status
    return _with_cause(status, failed, failed.error_type)


def with_timeout(workflow: WorkflowExecution, *, now: datetime) -> WorkflowStatus:
    """Return the status of a workflow whose time is up, with the step it was at."""
    status = workflow.status
    plan = status.execution_plan
    places = {name: place for place, name in enumerate(plan.order if plan else ())}
    unsettled = [step for step in status.steps if step.phase not in SETTLED_STEP_PHASES]
    candidates = in_flight(workflow) or unsettled
    at = min(candidates, key=lambda step: places.get(step.name, len(places)), default=None)
    timed_out = msgspec.structs.replace(status, timed_out_at=now)
    return _with_cause(timed_out, at, ErrorType.TIMEOUT)


def with_end(workflow: WorkflowExecution, *, now: datetime) -> WorkflowStatus:
    """Return the status of a workflow that is over, with its final figures."""
    status = workflow.status
    started = status.execution_start_time or now
    completed, failed = _completed(status), len(failures(workflow))
    attempted = completed + failed
    return msgspec.structs.replace(
        status,
        execution_complete_time=now,
        execution_metrics=ExecutionMetrics(
            total_duration=render(now - started),
            step_success_rate=completed / attempted if attempted else 0.0,
            rollbacks_performed=_undone(status),
            resources_affected=len(_affected(status)),
        ),
        workflow_result=WorkflowResult(
            outcome=_outcome(workflow), effectiveness_score=_score(workflow)
        ),
    )


def with_last_word(workflow: WorkflowExecution) -> WorkflowStatus:
    """Return the status with the final figures as the way back, or a late "no", left them.

    People may be asked about a plan of which nothing is left to run.
    """
    status = workflow.status
    if status.execution_metrics is None or status.workflow_result is None:
        return status
    return msgspec.structs.replace(
        status,
        execution_metrics=msgspec.structs.replace(
            status.execution_metrics, rollbacks_performed=_undone(status)
        ),
        workflow_result=msgspec.structs.replace(
            status.workflow_result,
            outcome=_outcome(workflow),
            effectiveness_score=_score(workflow),
        ),
    )


def _with_cause(
    status: WorkflowStatus, step: StepStatus | None, error: ErrorType | None
) -> WorkflowStatus:
    completed = [each.name for each in status.steps if each.phase is StepPhase.COMPLETED]
    name = step.name if step else ""
    return msgspec.structs.replace(
        status,
        failed_step=name,
        failed_action=step.action if step else "",
        error_type=error,
        execution_snapshot=ExecutionSnapshot(
            completed_steps=completed,
            current_step=name,
            cluster_state=f"{len(completed)} of {len(status.steps)} steps completed",
            resource_snapshot=_changed(status),
        ),
    )


def _changed(status: WorkflowStatus) -> str:
    affected = sorted(_affected(status))
    return f"changed: {', '.join(affected)}"[:_MAX_MESSAGE] if affected else "nothing changed"


def _affected(status: WorkflowStatus) -> set[str]:
    return {
        resource
        for step in status.steps
        if step.result
        for resource in step.result.resources_affected
    }


def _completed(status: WorkflowStatus) -> int:
    return sum(step.phase is StepPhase.COMPLETED for step in status.steps)


def _undone(status: WorkflowStatus) -> int:
    steps = status.rollback.steps if status.rollback else []
    return sum(step.phase is RollbackStepPhase.COMPLETED for step in steps)


def _outcome(workflow: WorkflowExecution) -> str:
    if is_cancelled(workflow):
        return "partial_success" if _completed(workflow.status) else "failed"
    if stop_reason(workflow) is not None:
        return "failed"
    steps = steps_of(workflow)
    tolerated = [step for step in failures(workflow) if not steps[step.name].critical_step]
    warned = any(_has_warning(step) for step in workflow.status.steps)
    return "partial_success" if tolerated or warned else "success"


def _has_warning(step: StepStatus) -> bool:
    """Return whether a step completed although an optional postcondition did not hold."""
    return step.phase is StepPhase.COMPLETED and any(
        result.evaluated and not result.passed for result in step.post_condition_results
    )


def _score(workflow: WorkflowExecution) -> float:
    status = workflow.status
    needless = _needless(workflow)
    total = max(1, sum(step.name not in needless for step in status.steps))
    retries = sum(step.retries_attempted for step in status.steps)
    score = _completed(status) / total - _RETRY_COST * retries - _UNDO_COST * _undone(status)
    return round(min(1.0, max(0.0, score)), 4)


def _needless(workflow: WorkflowExecution) -> set[str]:
    """Return the steps that turned out not to be needed, marked Skipped yet or not."""
    skipped = {
        step.name
        for step in workflow.status.steps
        if step.phase is StepPhase.SKIPPED and step.reason in RELEASING_REASONS
    }
    fallbacks = {
        name
        for name, standing in standings(workflow).items()
        if standing.reason is StepReason.PRIMARY_COMPLETED
    }
    return skipped | fallbacks
