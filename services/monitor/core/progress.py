"""How far a workflow is: counts, percentage, health and final figures.

Percent is completed steps plus tolerated failures over the steps that are not skipped
(requirements C12), and never falls (C14).
"""

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec

from shared.api.enums import SETTLED_STEP_PHASES, Health, StepPhase
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import (
    ExecutionMetrics,
    ExecutionSnapshot,
    StepStatus,
    WorkflowResult,
    WorkflowStatus,
)
from shared.workflow.durations import render
from shared.workflow.graph import dependencies
from shared.workflow.stopping import critical_failure

_IN_FLIGHT = frozenset({StepPhase.QUEUED, StepPhase.RUNNING, StepPhase.VERIFYING})
_RETRY_COST = 0.05


def with_progress(
    workflow: WorkflowExecution, steps: list[StepStatus], *, now: datetime
) -> WorkflowStatus:
    """Return the status with these steps and all figures that follow from them."""
    judged = msgspec.structs.replace(workflow.status, steps=steps)
    changed = msgspec.structs.replace(workflow, status=judged)
    failed = critical_failure(changed)
    completed = [step for step in steps if step.phase is StepPhase.COMPLETED]
    failures = [step for step in steps if step.phase is StepPhase.FAILED]
    ended = _is_over(changed)
    status = msgspec.structs.replace(
        judged,
        progress=max(workflow.status.progress, _percent(steps, failed, _doomed(changed))),
        health=_health(failures, failed),
        completed_steps=len(completed),
        failed_steps=len(failures),
    )
    if failed is not None and not workflow.status.failed_step:
        status = _with_failure(status, failed, completed)
    if ended and workflow.status.execution_complete_time is None:
        status = _with_end(changed, status, now)
    return status


def _percent(
    steps: Sequence[StepStatus], failed: StepStatus | None, doomed: Collection[str]
) -> int:
    skipped = {step.name for step in steps if step.phase is StepPhase.SKIPPED} | {*doomed}
    counted = [step for step in steps if step.name not in skipped]
    done = [
        step
        for step in counted
        if step.phase is StepPhase.COMPLETED or (step.phase is StepPhase.FAILED and failed is None)
    ]
    return 100 * len(done) // len(counted) if counted else 100


def _health(failures: Sequence[StepStatus], failed: StepStatus | None) -> Health:
    if failed is not None:
        return Health.UNHEALTHY
    return Health.DEGRADED if failures else Health.HEALTHY


def _is_over(workflow: WorkflowExecution) -> bool:
    """Return whether no step runs and none can start any more."""
    phases = {step.name: step.phase for step in workflow.status.steps}
    if any(phase in _IN_FLIGHT for phase in phases.values()):
        return False
    if critical_failure(workflow) is not None:
        return True
    doomed = _doomed(workflow)
    return all(phase in SETTLED_STEP_PHASES or name in doomed for name, phase in phases.items())


def _doomed(workflow: WorkflowExecution) -> set[str]:
    """Return the steps that can no longer start, marked Skipped yet or not."""
    needs = dependencies(workflow.spec.workflow_definition)
    lost = {step.name for step in workflow.status.steps if step.phase in _LOST}
    doomed: set[str] = set()
    plan = workflow.status.execution_plan
    for name in plan.order if plan else ():
        if (lost | doomed).intersection(needs[name]):
            doomed.add(name)
    return doomed


_LOST = frozenset({StepPhase.FAILED, StepPhase.SKIPPED})


def _with_failure(
    status: WorkflowStatus, failed: StepStatus, completed: Sequence[StepStatus]
) -> WorkflowStatus:
    snapshot = ExecutionSnapshot(
        completed_steps=[step.name for step in completed],
        current_step=failed.name,
        cluster_state=f"{len(completed)} of {len(status.steps)} steps completed",
    )
    return msgspec.structs.replace(
        status,
        failed_step=failed.name,
        failed_action=failed.action,
        error_type=failed.error_type,
        execution_snapshot=snapshot,
    )


def _with_end(workflow: WorkflowExecution, status: WorkflowStatus, now: datetime) -> WorkflowStatus:
    started = workflow.status.execution_start_time or now
    attempted = status.completed_steps + status.failed_steps
    affected = {
        resource
        for step in status.steps
        if step.result
        for resource in step.result.resources_affected
    }
    return msgspec.structs.replace(
        status,
        execution_complete_time=now,
        execution_metrics=ExecutionMetrics(
            total_duration=render(now - started),
            step_success_rate=status.completed_steps / attempted if attempted else 0.0,
            resources_affected=len(affected),
        ),
        workflow_result=WorkflowResult(
            outcome=_outcome(workflow, status), effectiveness_score=_score(status)
        ),
    )


def _outcome(workflow: WorkflowExecution, status: WorkflowStatus) -> str:
    if critical_failure(workflow) is not None:
        return "failed"
    return "partial_success" if status.failed_steps else "success"


def _score(status: WorkflowStatus) -> float:
    total = max(1, status.total_steps)
    retries = sum(step.retries_attempted for step in status.steps)
    return min(1.0, max(0.0, status.completed_steps / total - _RETRY_COST * retries))
