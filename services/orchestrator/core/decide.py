"""What a workflow needs next: the control verb, tokens to release, steps to skip or grant.

A pure function of the workflow and the executions of its token holders. The caller saves
the result by compare-and-swap and only then creates executions (R0), by `settle.py`.
While an adjustment of the plan is due nothing starts: the planner answers it first.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from services.orchestrator.core import control, ledger
from services.orchestrator.core.guarding import Guards, answered
from services.orchestrator.core.ledger import SETTLING, Executions, ledger_names
from services.orchestrator.core.starting import considered
from shared.api.enums import ExecutionKind, Phase, StepPhase, StepReason
from shared.api.meta import NamedRef
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import StepStatus, Token, WorkflowStatus
from shared.expressions.due import due
from shared.ids import ExecutionName
from shared.workflow.executions import name_of
from shared.workflow.readiness import WAITING_PHASES
from shared.workflow.stopping import may_start, stop_reason

__all__ = ["SETTLING", "decide", "ledger_names", "next_start"]

_MOVING: Final = frozenset({Phase.EXECUTING, Phase.PAUSED, Phase.AWAITING_APPROVAL})
_WHY: Final = {
    StepReason.CANCELLED: "the workflow was ended",
    StepReason.TIMED_OUT: "the workflow's time was up",
    StepReason.APPROVAL_REJECTED: "approval was rejected",
    StepReason.APPROVAL_EXPIRED: "approval expired",
    StepReason.WORKFLOW_FAILED: "a critical step failed",
}


def decide(
    workflow: WorkflowExecution,
    executions: Executions,
    *,
    now: datetime,
    limit: int,
    deleted: frozenset[ExecutionName] = frozenset(),
    read_after: str | None = None,
    only: frozenset[str] | None = None,
    guards: Guards | None = None,
) -> WorkflowStatus | None:
    """Return the status with the control verb followed and tokens moved; None if unchanged.

    Args:
        workflow: the version that the result will be swapped against.
        executions: those of the token holders that a live read found.
        now: stamp of new tokens.
        limit: steps in flight at most, from the service's settings.
        deleted: executions that somebody was seen to delete.
        read_after: the version of the workflow after which the executions were read, if not
            this one. An execution missing from an older read may have been created since.
        only: steps that may be granted, when something else limits them too; None for all.
        guards: what policies said of the steps that may start; None where nobody asks any.
    """
    asked = _with_control(workflow, now=now)
    status = asked.status
    if status.execution_plan is not None and _moves(asked):
        fresh = read_after in {None, workflow.metadata.resource_version}
        status = _moved(
            asked,
            executions,
            now=now,
            limit=limit,
            deleted=deleted,
            fresh=fresh,
            only=only,
            guards=guards,
        )
    return None if status == workflow.status else status


def next_start(workflow: WorkflowExecution) -> datetime | None:
    """Return when a step is to be looked at again that waits for time to pass, or None."""
    waiting = [
        step.next_attempt_time
        for step in workflow.status.steps
        if step.phase in WAITING_PHASES and step.next_attempt_time is not None
    ]
    return min(waiting) if waiting and may_start(workflow) else None


def _with_control(workflow: WorkflowExecution, *, now: datetime) -> WorkflowExecution:
    answer = control.take_up(workflow, now=now)
    if answer is None:
        return workflow
    status = control.retried(workflow) if control.is_retry(workflow, answer) else workflow.status
    return msgspec.structs.replace(workflow, status=msgspec.structs.replace(status, control=answer))


def _moves(workflow: WorkflowExecution) -> bool:
    """Return whether steps may move: it runs or is held, or was just sent forward again."""
    status = workflow.status
    if status.phase in _MOVING:
        return True
    answer = status.control
    return (
        status.phase is Phase.DEGRADED
        and answer is not None
        and (control.is_retry(workflow, answer) and stop_reason(workflow) is None)
    )


def _moved(
    workflow: WorkflowExecution,
    executions: Executions,
    *,
    now: datetime,
    limit: int,
    deleted: frozenset[ExecutionName],
    fresh: bool,
    only: frozenset[str] | None,
    guards: Guards | None,
) -> WorkflowStatus:
    kept, steps = ledger.released(workflow, executions)
    after = _with(workflow, steps, kept)
    ready: list[str] = []
    if may_start(after) and not due(after):
        steps, ready = considered(after, now=now)
        if guards is not None:
            steps, ready, only = answered(workflow, steps, ready, guards, only=only, now=now)
        after = _with(workflow, steps, kept)
    if stop_reason(after) is not None:
        steps, ready = _given_up(after, steps), []
    elif ready:
        kept = ledger.handed_over(workflow, executions, steps, kept)
    fence = workflow.status.last_fence
    if fresh:
        kept, steps, fence = ledger.fenced_anew(workflow, executions, kept, steps, deleted)
    free = max(0, ledger.effective_limit(workflow, limit) - len(kept))
    admitted = ready if only is None else [name for name in ready if name in only]
    granted = admitted[:free]
    for name in granted:
        fence += 1
        attempt = steps[name].attempts + 1
        kept[name] = Token(attempt=attempt, fence=fence, granted_at=now)
        steps[name] = _granted(workflow, steps[name], attempt)
    queued = [name for name in ready if name not in granted]
    steps |= {name: _queued(steps[name]) for name in queued}
    status = _with(workflow, steps, kept).status
    return _counted(status, workflow.status, executions, fence=fence, queued=queued, now=now)


def _with(
    workflow: WorkflowExecution, steps: Mapping[str, StepStatus], tokens: dict[str, Token]
) -> WorkflowExecution:
    ordered = [steps[step.name] for step in workflow.status.steps]
    status = msgspec.structs.replace(workflow.status, steps=ordered, tokens=tokens)
    return msgspec.structs.replace(workflow, status=status)


def _given_up(workflow: WorkflowExecution, steps: dict[str, StepStatus]) -> dict[str, StepStatus]:
    """End the steps that have no attempt in flight: nothing starts any more."""
    reason = stop_reason(workflow) or StepReason.CANCELLED
    waiting = {
        name: step
        for name, step in steps.items()
        if step.phase in WAITING_PHASES and name not in workflow.status.tokens
    }
    return steps | {name: _abandoned(step, reason) for name, step in waiting.items()}


def _abandoned(step: StepStatus, reason: StepReason) -> StepStatus:
    why = _WHY.get(reason, "the workflow stopped")
    if step.attempts:
        return msgspec.structs.replace(
            step,
            phase=StepPhase.FAILED,
            reason=reason,
            message=f"not tried again: {why}",
            next_attempt_time=None,
        )
    return msgspec.structs.replace(
        step, phase=StepPhase.SKIPPED, reason=reason, message=f"not started: {why}"
    )


def _granted(workflow: WorkflowExecution, step: StepStatus, attempt: int) -> StepStatus:
    name = name_of(workflow, step.name, attempt, ExecutionKind.FORWARD)
    return msgspec.structs.replace(
        step,
        phase=StepPhase.RUNNING,
        reason=None,
        attempts=attempt,
        retries_attempted=attempt - 1,
        execution_ref=NamedRef(name=name, namespace=workflow.metadata.namespace),
        message="",
        next_attempt_time=None,
        error_type=None,
    )


def _queued(step: StepStatus) -> StepStatus:
    """Take the gate off a step that was approved but has to wait for a token."""
    if step.phase is not StepPhase.BLOCKED:
        return step
    return msgspec.structs.replace(step, phase=StepPhase.PENDING, reason=None, message="")


def _counted(
    after: WorkflowStatus,
    before: WorkflowStatus,
    seen: Executions,
    *,
    fence: int,
    queued: list[str],
    now: datetime,
) -> WorkflowStatus:
    counted = msgspec.structs.replace(
        after,
        last_fence=fence,
        active_steps=len(after.tokens),
        current_step=next((s.name for s in after.steps if s.name in after.tokens), ""),
        queued_steps=len(queued),
        execution_start_time=before.execution_start_time or (now if after.tokens else None),
    )
    if counted == before:
        return counted
    return msgspec.structs.replace(counted, steps=[_with_uid(s, seen) for s in counted.steps])


def _with_uid(step: StepStatus, executions: Executions) -> StepStatus:
    """Record the identity of an execution with a write that happens anyway."""
    ref = step.execution_ref
    found = executions.get(ExecutionName(ref.name)) if ref else None
    if ref is None or ref.uid or found is None:
        return step
    uid = found.metadata.uid
    return msgspec.structs.replace(step, execution_ref=msgspec.structs.replace(ref, uid=uid))
