"""How the planner and a person change the approval of a workflow."""

import msgspec

from shared.api.enums import TERMINAL_PHASES, StepReason
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import Approval, Decision, WorkflowStatus
from shared.workflow.stopping import stop_reason


def reopened(workflow: WorkflowExecution) -> Approval | None:
    """Return the approval that is asked for when the plan changed; None when it is too late."""
    status = workflow.status
    if stop_reason(workflow) or status.phase in TERMINAL_PHASES or status.rollback is not None:
        return None
    return msgspec.structs.replace(
        status.approval or Approval(), required=True, decision="", decided_by=""
    )


def answered(status: WorkflowStatus, choice: int, *, approves: bool) -> Approval | None:
    """Return the approval with one more decision: on the plan, or on a step; None without any."""
    approval, plan = status.approval or Approval(), status.execution_plan
    decided = "Approved" if approves else "Rejected"
    if approval.required and not approval.decision:
        return msgspec.structs.replace(approval, decision=decided, decided_by="bob")
    waiting = [
        step.name
        for step in status.steps
        if step.reason is StepReason.AWAITING_APPROVAL and step.name not in approval.gates
    ]
    if not waiting or plan is None:
        return None
    decision = Decision(digest=plan.digest, decision=decided, decided_by="bob")
    gates = approval.gates | {waiting[choice % len(waiting)]: decision}
    return msgspec.structs.replace(approval, gates=gates)
