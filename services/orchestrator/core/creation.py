"""What happens to a step whose execution the API server would not take."""

from typing import Final

import msgspec

from shared.api.enums import StepPhase, StepReason
from shared.api.execution import KubernetesExecution
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import WorkflowStatus
from shared.errors import MendflowError
from shared.workflow.refusals import error_type_of

ATTEMPTS: Final = 5
"""Tries of one creation (requirements 5.3)."""
WAITS_S: Final = (0.1, 0.2, 0.4, 0.8)
"""Waits between them: 100 ms x 2^n."""
_MAX_MESSAGE: Final = 256


def uncreated(
    workflow: WorkflowExecution, wanted: KubernetesExecution, error: MendflowError, *, tries: int
) -> WorkflowStatus | None:
    """Return the status with the step failed and its token released, or None when it moved on.

    Releasing is safe although the request may still arrive: an executor acts only under a
    token that is held (R2), and this one is not any more.
    """
    spec = wanted.spec
    token = workflow.status.tokens.get(spec.step_name)
    if token is None or (token.attempt, token.fence) != (spec.attempt, spec.fence):
        return None
    message = f"could not create its execution (attempt {tries}/{ATTEMPTS}): {error}"
    steps = [
        msgspec.structs.replace(
            step,
            phase=StepPhase.FAILED,
            reason=StepReason.EXECUTION_CREATION_ERROR,
            message=message[:_MAX_MESSAGE],
            error_type=error_type_of(error),
        )
        if step.name == spec.step_name
        else step
        for step in workflow.status.steps
    ]
    tokens = {name: held for name, held in workflow.status.tokens.items() if name != spec.step_name}
    return msgspec.structs.replace(
        workflow.status, steps=steps, tokens=tokens, active_steps=len(tokens)
    )
