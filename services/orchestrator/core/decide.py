"""Which tokens to grant, keep and release: the ledger rules R1 and R3.

A pure function of the workflow and the executions of its token holders. The caller saves
the result by compare-and-swap and only then creates executions (R0), by `settle.py`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from shared.api.enums import (
    ExecutionKind,
    ExecutionMode,
    ExecutionPhase,
    Phase,
    StepPhase,
)
from shared.api.execution import KubernetesExecution
from shared.api.meta import NamedRef
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import StepStatus, Token, WorkflowStatus
from shared.ids import ExecutionName
from shared.workflow.executions import name_of
from shared.workflow.graph import dependencies
from shared.workflow.stopping import critical_failure

Executions = Mapping[ExecutionName, KubernetesExecution]

_DOOMED: Final = frozenset({StepPhase.FAILED, StepPhase.SKIPPED})
_JUDGED: Final = frozenset({StepPhase.COMPLETED, StepPhase.FAILED, StepPhase.SKIPPED})


def decide(
    workflow: WorkflowExecution,
    executions: Executions,
    *,
    now: datetime,
    limit: int,
    deleted: frozenset[ExecutionName] = frozenset(),
    read_after: str | None = None,
) -> WorkflowStatus | None:
    """Return the status with tokens released and granted, or None when nothing changes.

    Args:
        workflow: the version that the result will be swapped against.
        executions: those of the token holders that a live read found.
        now: stamp of new tokens.
        limit: steps in flight at most, from the service's settings.
        deleted: executions that somebody was seen to delete.
        read_after: the version of the workflow after which the executions were read, if not
            this one. An execution missing from an older read may have been created since.
    """
    if workflow.status.phase is not Phase.EXECUTING:
        return None
    steps = {step.name: step for step in workflow.status.steps}
    failing = critical_failure(workflow) is not None
    kept = _release(workflow, executions, steps)
    _skip(workflow, steps, failing=failing)
    ready = [] if failing else _ready(workflow, steps)
    if not failing:
        kept = _hand_over(workflow, executions, steps, kept, waiting=bool(ready))
    free = max(0, effective_limit(workflow, limit) - len(kept))
    fence = workflow.status.last_fence
    if read_after in {None, workflow.metadata.resource_version}:
        kept, fence = _refence(workflow, executions, kept, fence, deleted)
    for name in ready[:free]:
        fence += 1
        attempt = steps[name].attempts + 1
        kept[name] = Token(attempt=attempt, fence=fence, granted_at=now)
        steps[name] = _granted(workflow, steps[name], attempt)
    return _changed_status(
        workflow, steps, kept, fence=fence, queued=len(ready[free:]), now=now, seen=executions
    )


def ledger_names(workflow: WorkflowExecution) -> list[ExecutionName]:
    """Return the executions a decision has to know: those of the token holders."""
    return [
        name_of(workflow, name, token.attempt, kind)
        for name, token in workflow.status.tokens.items()
        for kind in (ExecutionKind.FORWARD, ExecutionKind.SETTLE)
    ]


def effective_limit(workflow: WorkflowExecution, limit: int) -> int:
    """Return how many steps of this workflow may be in flight at once."""
    strategy = workflow.spec.execution_strategy
    if strategy.mode is ExecutionMode.SEQUENTIAL:
        return 1
    return min(limit, strategy.max_parallel_steps or limit)


def _release(
    workflow: WorkflowExecution, executions: Executions, steps: dict[str, StepStatus]
) -> dict[str, Token]:
    """Drop tokens whose execution is terminal and whose step is judged (R3)."""
    kept = dict(workflow.status.tokens)
    for name, token in workflow.status.tokens.items():
        execution = _execution_of(workflow, executions, name, token)
        if execution is None or not execution.is_terminal:
            continue
        if execution.status.phase is ExecutionPhase.CANCELLED:
            steps[name] = msgspec.structs.replace(
                steps[name], phase=StepPhase.SKIPPED, message="cancelled before it started"
            )
        if steps[name].phase in _JUDGED:
            del kept[name]
    return kept


def _hand_over(
    workflow: WorkflowExecution,
    executions: Executions,
    steps: Mapping[str, StepStatus],
    kept: dict[str, Token],
    *,
    waiting: bool,
) -> dict[str, Token]:
    """Pass the token of a finished, still unjudged step on when another step waits for it."""
    if not waiting:
        return kept
    done = {
        name
        for name, token in kept.items()
        if (execution := _execution_of(workflow, executions, name, token)) is not None
        and execution.status.phase is ExecutionPhase.COMPLETED
        and steps[name].phase not in _JUDGED
    }
    return {name: token for name, token in kept.items() if name not in done}


def _refence(
    workflow: WorkflowExecution,
    executions: Executions,
    tokens: dict[str, Token],
    fence: int,
    deleted: frozenset[ExecutionName],
) -> tuple[dict[str, Token], int]:
    """Raise the fence of a token whose execution was seen and is gone (R3, settle)."""
    steps = {step.name: step for step in workflow.status.steps}
    renewed = dict(tokens)
    for name, token in tokens.items():
        forward = name_of(workflow, name, token.attempt, ExecutionKind.FORWARD)
        settle = name_of(workflow, name, token.attempt, ExecutionKind.SETTLE)
        gone = forward not in executions and settle not in executions
        seen = was_seen(steps[name]) or forward in deleted
        if gone and seen and not is_refenced(steps[name]):
            fence += 1
            renewed[name] = msgspec.structs.replace(token, fence=fence)
    return renewed, fence


def was_seen(step: StepStatus) -> bool:
    """Return whether status records that the step's execution once existed."""
    return bool(step.execution_ref and step.execution_ref.uid) or step.start_time is not None


def is_refenced(step: StepStatus) -> bool:
    """Return whether the step's execution was already found deleted."""
    return step.message == SETTLING


SETTLING: Final = "its execution was deleted; looking at what it did"


def _skip(workflow: WorkflowExecution, steps: dict[str, StepStatus], *, failing: bool) -> None:
    """Mark steps that can never run: after a critical failure, or below a failed step."""
    needs = dependencies(workflow.spec.workflow_definition)
    for name in workflow.status.execution_plan.order if workflow.status.execution_plan else ():
        step = steps[name]
        if step.phase is not StepPhase.PENDING:
            continue
        culprit = next((need for need in needs[name] if steps[need].phase in _DOOMED), None)
        if culprit is not None or failing:
            why = f"step {culprit} did not complete" if culprit else "a critical step failed"
            steps[name] = msgspec.structs.replace(
                step, phase=StepPhase.SKIPPED, message=f"not started: {why}"
            )


def _ready(workflow: WorkflowExecution, steps: Mapping[str, StepStatus]) -> list[str]:
    """Return the steps that may start now, in plan order."""
    if workflow.status.execution_plan is None:
        return []
    needs = dependencies(workflow.spec.workflow_definition)
    return [
        name
        for name in workflow.status.execution_plan.order
        if steps[name].phase is StepPhase.PENDING
        and all(steps[need].phase is StepPhase.COMPLETED for need in needs[name])
    ]


def _granted(workflow: WorkflowExecution, step: StepStatus, attempt: int) -> StepStatus:
    name = name_of(workflow, step.name, attempt, ExecutionKind.FORWARD)
    return msgspec.structs.replace(
        step,
        phase=StepPhase.RUNNING,
        attempts=attempt,
        retries_attempted=attempt - 1,
        execution_ref=NamedRef(name=name, namespace=workflow.metadata.namespace),
        message="",
    )


def _changed_status(
    workflow: WorkflowExecution,
    steps: dict[str, StepStatus],
    tokens: dict[str, Token],
    *,
    fence: int,
    queued: int,
    now: datetime,
    seen: Executions,
) -> WorkflowStatus | None:
    before = workflow.status
    ordered = [steps[step.name] for step in before.steps]
    after = msgspec.structs.replace(
        before,
        steps=ordered,
        tokens=tokens,
        last_fence=fence,
        active_steps=len(tokens),
        current_step=next((step.name for step in ordered if step.name in tokens), ""),
        queued_steps=queued,
        skipped_steps=sum(step.phase is StepPhase.SKIPPED for step in ordered),
        execution_start_time=before.execution_start_time or (now if tokens else None),
    )
    if after == before:
        return None
    return msgspec.structs.replace(
        after, steps=[_with_uid(s, seen) for s in _settling(after, before)]
    )


def _settling(after: WorkflowStatus, before: WorkflowStatus) -> list[StepStatus]:
    """Say on the step that its fence was raised, which is done once only."""
    return [
        msgspec.structs.replace(step, message=SETTLING)
        if step.name in before.tokens
        and step.name in after.tokens
        and before.tokens[step.name].fence != after.tokens[step.name].fence
        else step
        for step in after.steps
    ]


def _with_uid(step: StepStatus, executions: Executions) -> StepStatus:
    """Record the identity of an execution with a write that happens anyway."""
    ref = step.execution_ref
    found = executions.get(ExecutionName(ref.name)) if ref else None
    if ref is None or ref.uid or found is None:
        return step
    uid = found.metadata.uid
    return msgspec.structs.replace(step, execution_ref=msgspec.structs.replace(ref, uid=uid))


def _execution_of(
    workflow: WorkflowExecution, executions: Executions, step: str, token: Token
) -> KubernetesExecution | None:
    """Return the settling execution of a token's step where there is one, else the forward one."""
    for kind in (ExecutionKind.SETTLE, ExecutionKind.FORWARD):
        found = executions.get(name_of(workflow, step, token.attempt, kind))
        if found is not None:
            return found
    return None
