"""What each confirmed token still needs: an execution, a command, or a tombstone.

Runs after the ledger was written, on the version that was confirmed (R0, R3). Every order
may be carried out twice: names are derived, cancels are compare-and-swap, and a command is
queued once per subject.
"""

from collections.abc import Mapping

import msgspec

from services.orchestrator.core.grants import forward_execution
from services.orchestrator.core.ledger import is_refenced, late_execution, was_seen
from shared.api.enums import ExecutionKind, Intent, Phase
from shared.api.execution import KubernetesExecution
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import StepStatus, Token
from shared.ids import ExecutionName
from shared.workflow.executions import name_of
from shared.workflow.stopping import stop_reason


class Create(msgspec.Struct, frozen=True, kw_only=True):
    """Create this execution unless it is there already."""

    execution: KubernetesExecution


class Drive(msgspec.Struct, frozen=True, kw_only=True):
    """Tell the executors to look at this execution."""

    execution: KubernetesExecution


class Revoke(msgspec.Struct, frozen=True, kw_only=True):
    """Mark this execution Cancelled, if nobody claimed it meanwhile."""

    execution: KubernetesExecution


_FORWARD = frozenset({Phase.EXECUTING, Phase.PAUSED, Phase.AWAITING_APPROVAL})
"""What holds a token was granted before the workflow was paused or gated, and runs on."""

Order = Create | Drive | Revoke


def is_wanted(workflow: WorkflowExecution) -> bool:
    """Return whether steps with a token may still start."""
    return workflow.status.phase in _FORWARD and stop_reason(workflow) is None


def orders(
    workflow: WorkflowExecution, executions: Mapping[ExecutionName, KubernetesExecution]
) -> list[Order]:
    """Return what to do for every token, in the order of their fences."""
    steps = {step.name: step for step in workflow.status.steps}
    tokens = sorted(workflow.status.tokens.items(), key=lambda item: item[1].fence)
    found = [_order(workflow, executions, steps[name], token) for name, token in tokens]
    late = [_late(workflow, executions, steps[name], token) for name, token in tokens]
    return [order for order in (*found, *late) if order is not None]


def _order(
    workflow: WorkflowExecution,
    executions: Mapping[ExecutionName, KubernetesExecution],
    step: StepStatus,
    token: Token,
) -> Order | None:
    settle = executions.get(name_of(workflow, step.name, token.attempt, ExecutionKind.SETTLE))
    forward = executions.get(name_of(workflow, step.name, token.attempt, ExecutionKind.FORWARD))
    present = settle or (None if is_refenced(step) else forward)
    if present is not None and present.is_terminal:
        return None
    if present is not None:
        if present.is_claimed or present.spec.intent is Intent.SETTLE or is_wanted(workflow):
            return Drive(execution=present)
        return Revoke(execution=present)
    return _create(workflow, step, token)


def _late(
    workflow: WorkflowExecution,
    executions: Mapping[ExecutionName, KubernetesExecution],
    step: StepStatus,
    token: Token,
) -> Order | None:
    """Revoke what somebody who was held up created again before it was found deleted.

    Only the settling one speaks for the step. An executor that claimed the late one under the
    older fence loses its claim; what it still sends meets the settling one's mark.
    """
    late = late_execution(workflow, executions, step, token)
    return None if late is None else Revoke(execution=late)


def _create(workflow: WorkflowExecution, step: StepStatus, token: Token) -> Order | None:
    if is_refenced(step):
        settling = forward_execution(
            workflow,
            step.name,
            attempt=token.attempt,
            fence=token.fence,
            kind=ExecutionKind.SETTLE,
            intent=Intent.SETTLE,
        )
        return Create(execution=settling)
    if was_seen(step):
        # Somebody deleted it: the next decision raises the fence before anything is created.
        return None
    intent = Intent.RUN if is_wanted(workflow) else Intent.VOID
    fresh = forward_execution(
        workflow, step.name, attempt=token.attempt, fence=token.fence, intent=intent
    )
    return Create(execution=fresh)
