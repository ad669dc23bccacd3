"""Whether the way back has to move, and where to: a chain of checks, the first one wins."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from services.rollback.core import reverse
from shared.api.enums import ExecutionKind, RollbackPhase, RollbackStepPhase
from shared.api.execution import KubernetesExecution, RollbackOf
from shared.api.meta import NamedRef
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import Rollback, WorkflowStatus
from shared.effects.catalogue import CATALOGUE, canonical
from shared.ids import ExecutionName
from shared.workflow.definition import steps_of
from shared.workflow.executions import new_execution
from shared.workflow.phases import rollback_is_due

Executions = Mapping[ExecutionName, KubernetesExecution]


def decide(
    workflow: WorkflowExecution, executions: Executions, *, now: datetime
) -> WorkflowStatus | None:
    """Return the status with the way back moved on, or None when it has nothing to do."""
    rollback = _moved(workflow, executions, now=now)
    if rollback is None or rollback == workflow.status.rollback:
        return None
    return msgspec.structs.replace(
        workflow.status,
        rollback=rollback,
        rollback_start_time=rollback.start_time,
        rollback_complete_time=rollback.completion_time,
    )


def may_move(workflow: WorkflowExecution) -> bool:
    """Return whether the way back of a workflow may have something to do."""
    rollback = workflow.status.rollback
    if rollback is None:
        return rollback_is_due(workflow)
    return rollback.phase is RollbackPhase.RUNNING or reverse.is_triggered(workflow)


def wanted_execution(
    workflow: WorkflowExecution, executions: Executions
) -> KubernetesExecution | None:
    """Return the execution of the undo step that holds the reserved token."""
    rollback = workflow.status.rollback
    if rollback is None:
        return None
    step = next((s for s in rollback.steps if s.phase is RollbackStepPhase.RUNNING), None)
    found = reverse.captured(workflow, step.name, executions) if step else None
    if step is None or found is None:
        return None
    forward, inverse = found
    action = canonical(inverse.rollback_action)
    if action is None or inverse.rollback_parameters is None:
        return None
    spec = steps_of(workflow)[step.name]
    return new_execution(
        workflow,
        step.name,
        action=str(action),
        parameters=inverse.rollback_parameters,
        timeout=CATALOGUE[action].timeout,
        attempt=step.attempt,
        fence=step.fence,
        kind=ExecutionKind.ROLLBACK,
        rollback_of=RollbackOf(
            step=step.name,
            execution_ref=NamedRef(
                name=forward.metadata.name,
                namespace=forward.metadata.namespace,
                uid=forward.metadata.uid,
            ),
            target=inverse.target,
            before=inverse.before,
            after=inverse.after,
            on_drift=spec.on_drift,
        ),
    )


def _moved(
    workflow: WorkflowExecution, executions: Executions, *, now: datetime
) -> Rollback | None:
    rollback = workflow.status.rollback
    if rollback is None:
        return reverse.start(workflow, now=now) if rollback_is_due(workflow) else None
    if reverse.is_triggered(workflow) and rollback.phase is RollbackPhase.AWAITING_TRIGGER:
        return reverse.begin(workflow, rollback.strategy, now=now)
    if rollback.phase is RollbackPhase.RUNNING:
        return reverse.advance(workflow, rollback, executions, now=now)
    return None
