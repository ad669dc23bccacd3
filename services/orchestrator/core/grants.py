"""The execution of a granted token: exactly what the step asks for, nothing decided anew."""

from shared.api.enums import ExecutionKind, Intent
from shared.api.execution import KubernetesExecution
from shared.api.workflow import WorkflowExecution
from shared.effects.catalogue import CATALOGUE, canonical
from shared.expressions.resolving import resolved
from shared.workflow.definition import steps_of
from shared.workflow.executions import new_execution


def forward_execution(
    workflow: WorkflowExecution,
    step_name: str,
    *,
    attempt: int,
    fence: int,
    kind: ExecutionKind = ExecutionKind.FORWARD,
    intent: Intent = Intent.RUN,
) -> KubernetesExecution:
    """Return the execution that carries out (or settles, or voids) one attempt of a step."""
    step, strategy = steps_of(workflow)[step_name], workflow.spec.execution_strategy
    action = canonical(step.action)
    if action is None:
        message = f"step {step_name} was planned with the unknown action {step.action!r}"
        raise ValueError(message)
    return new_execution(
        workflow,
        step_name,
        action=str(action),
        parameters=resolved(workflow, step.parameters),
        timeout=step.timeout or CATALOGUE[action].timeout,
        attempt=attempt,
        fence=fence,
        kind=kind,
        intent=intent,
        convergent=step.convergent,
        dry_run=kind is ExecutionKind.FORWARD and strategy.dry_run_first,
    )
