"""Says that a workflow ended, by whichever service's write it ended."""

from shared.api.enums import TERMINAL_PHASES, Phase
from shared.api.workflow import WorkflowExecution
from shared.contracts.subjects import Fact
from shared.worker.context import Context


async def announce_end(
    context: Context, before: WorkflowExecution, after: WorkflowExecution
) -> None:
    """Publish the fact and record the Event of a write that ended a workflow.

    Does nothing when the phase did not just become terminal.
    """
    status = after.status
    if status.phase is before.status.phase or status.phase not in TERMINAL_PHASES:
        return
    if status.phase is Phase.COMPLETED:
        context.recorder.normal(
            after,
            reason="WorkflowExecutionCompleted",
            message=f"{status.completed_steps} steps completed",
        )
    else:
        context.recorder.warning(after, reason=str(status.phase), message=status.message)
    await context.publisher.fact(after, Fact.WORKFLOW_COMPLETED)
