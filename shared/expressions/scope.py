"""What expressions can see of a workflow: its variables, its steps, what it remedies."""

from typing import Any

import msgspec

from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import StepStatus
from shared.workflow.definition import definition_of

_SHAPED = ("scaleResult", "restartResult", "updateResult", "customResult")


def scope_of(workflow: WorkflowExecution) -> dict[str, Any]:
    """Return the roots of expressions, as plain values.

    The fields of a step's result stand beside each other, whatever action it was:
    `steps.scale.result.previousReplicas`.
    """
    plan, meta = workflow.status.execution_plan, workflow.metadata
    remediation = plan.remediation if plan else {}
    return {
        "vars": definition_of(workflow).variables,
        "steps": {step.name: _seen(step) for step in workflow.status.steps},
        "workflow": {"name": meta.name, "namespace": meta.namespace, "uid": str(meta.uid)},
        "remediation": remediation,
        "rr": remediation,
    }


def _seen(step: StepStatus) -> dict[str, Any]:
    result = msgspec.to_builtins(step.result) if step.result else {}
    for shape in _SHAPED:
        result |= result.get(shape) or {}
    return {
        "phase": str(step.phase),
        "attempts": step.attempts,
        "message": step.message,
        "errorType": str(step.error_type or ""),
        "result": {key: value for key, value in result.items() if value is not None},
    }
