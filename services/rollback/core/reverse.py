"""The way back: what was completed, undone in reverse.

Order is reverse topological with ties by latest completion first (requirements 3.3). Back
is just another plan: each undo is one execution, under a reserved token, one at a time.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from shared.api.enums import (
    ExecutionKind,
    ExecutionPhase,
    Phase,
    RollbackPhase,
    RollbackStepPhase,
    RollbackType,
    StepPhase,
)
from shared.api.execution import CapturedInverse, KubernetesExecution
from shared.api.meta import NamedRef
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import Rollback, RollbackStep, StepStatus
from shared.effects.catalogue import CATALOGUE, canonical
from shared.ids import ExecutionName
from shared.workflow.executions import name_of

Executions = Mapping[ExecutionName, KubernetesExecution]

DRIFTED: Final = "RollbackSkippedDrift"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def start(workflow: WorkflowExecution, *, now: datetime) -> Rollback:
    """Return the way back of a workflow whose critical step failed, by its strategy."""
    strategy = workflow.spec.rollback_strategy.type
    match strategy:
        case RollbackType.NONE:
            return Rollback(phase=RollbackPhase.NOT_REQUESTED, strategy=strategy)
        case RollbackType.MANUAL:
            return Rollback(phase=RollbackPhase.AWAITING_TRIGGER, strategy=strategy)
        case RollbackType.AUTOMATIC:
            return begin(workflow, strategy, now=now)


def begin(workflow: WorkflowExecution, strategy: RollbackType, *, now: datetime) -> Rollback:
    """Return a running rollback that lists every completed step, last one first."""
    steps = [_listed(step) for step in undo_order(workflow)]
    return Rollback(phase=RollbackPhase.RUNNING, strategy=strategy, steps=steps, start_time=now)


def undo_order(workflow: WorkflowExecution) -> list[StepStatus]:
    """Return the completed steps in the order of undoing."""
    plan = workflow.status.execution_plan
    depth = {
        name: level for level, names in enumerate(plan.batches if plan else ()) for name in names
    }
    completed = [s for s in workflow.status.steps if s.phase is StepPhase.COMPLETED]
    return sorted(
        completed,
        key=lambda s: (depth.get(s.name, 0), s.completion_time or _EPOCH, s.step_number),
        reverse=True,
    )


def advance(
    workflow: WorkflowExecution, rollback: Rollback, executions: Executions, *, now: datetime
) -> Rollback:
    """Return the rollback with ended undo steps recorded and the next one given its token."""
    steps = [_observed(workflow, step, executions) for step in rollback.steps]
    while not any(step.phase is RollbackStepPhase.RUNNING for step in steps):
        position = next(
            (i for i, s in enumerate(steps) if s.phase is RollbackStepPhase.PENDING), None
        )
        if position is None:
            return _finished(rollback, steps, now=now)
        steps[position] = _next(workflow, steps, position, executions)
    return msgspec.structs.replace(rollback, steps=steps, failures=_failures(steps))


def captured(
    workflow: WorkflowExecution, step_name: str, executions: Executions
) -> tuple[KubernetesExecution, CapturedInverse] | None:
    """Return the forward execution of a completed step and what it captured before acting."""
    step = next(s for s in workflow.status.steps if s.name == step_name)
    name = name_of(workflow, step_name, step.attempts, ExecutionKind.FORWARD)
    forward = executions.get(name)
    if forward is None or forward.status.rollback_information is None:
        return None
    return forward, forward.status.rollback_information


def is_triggered(workflow: WorkflowExecution) -> bool:
    """Return whether a person asked a Degraded workflow to roll back."""
    return workflow.status.phase is Phase.DEGRADED and workflow.spec.control == "rollback"


def _listed(step: StepStatus) -> RollbackStep:
    action = canonical(step.action)
    entry = CATALOGUE[action] if action else None
    if entry is None or entry.reversible:
        return RollbackStep(name=step.name)
    reason = "Irreversible" if entry.changes_cluster else "NothingToUndo"
    message = f"{step.action} cannot be undone" if entry.changes_cluster else "it changed nothing"
    return RollbackStep(
        name=step.name, phase=RollbackStepPhase.SKIPPED, reason=reason, message=message
    )


def _observed(
    workflow: WorkflowExecution, step: RollbackStep, executions: Executions
) -> RollbackStep:
    if step.phase is not RollbackStepPhase.RUNNING:
        return step
    name = name_of(workflow, step.name, step.attempt, ExecutionKind.ROLLBACK)
    found = executions.get(name)
    if found is None or not found.is_terminal:
        return step
    results = found.status.execution_results
    reason = results.reason if results else ""
    if found.status.phase is ExecutionPhase.COMPLETED:
        phase = RollbackStepPhase.COMPLETED
    elif reason == DRIFTED:
        phase = RollbackStepPhase.SKIPPED
    else:
        phase = RollbackStepPhase.FAILED
    return msgspec.structs.replace(
        step,
        phase=phase,
        reason=reason,
        message=found.status.message,
        execution_ref=NamedRef(
            name=name, namespace=workflow.metadata.namespace, uid=found.metadata.uid
        ),
    )


def _next(
    workflow: WorkflowExecution,
    steps: list[RollbackStep],
    position: int,
    executions: Executions,
) -> RollbackStep:
    step = steps[position]
    found = captured(workflow, step.name, executions)
    if found is None:
        return msgspec.structs.replace(
            step,
            phase=RollbackStepPhase.FAILED,
            reason="UndoDataMissing",
            message="its execution is gone, and with it the state before",
        )
    if not found[1].available:
        return msgspec.structs.replace(
            step,
            phase=RollbackStepPhase.SKIPPED,
            reason="NothingToUndo",
            message="it found its goal already reached",
        )
    fence = max([workflow.status.last_fence, *(s.fence for s in steps)]) + 1
    name = name_of(workflow, step.name, 1, ExecutionKind.ROLLBACK)
    return msgspec.structs.replace(
        step,
        phase=RollbackStepPhase.RUNNING,
        attempt=1,
        fence=fence,
        execution_ref=NamedRef(name=name, namespace=workflow.metadata.namespace),
    )


def _finished(rollback: Rollback, steps: list[RollbackStep], *, now: datetime) -> Rollback:
    failures = _failures(steps)
    return msgspec.structs.replace(
        rollback,
        steps=steps,
        failures=failures,
        phase=RollbackPhase.FAILED if failures else RollbackPhase.COMPLETED,
        completion_time=now,
    )


def _failures(steps: list[RollbackStep]) -> int:
    return sum(step.phase is RollbackStepPhase.FAILED for step in steps)
