"""Which tokens are kept and which are released: the ledger rules R1 and R3."""

from collections.abc import Mapping
from typing import Final

import msgspec

from shared.api.enums import (
    SETTLED_STEP_PHASES,
    ExecutionKind,
    ExecutionMode,
    ExecutionPhase,
    StepPhase,
    StepReason,
)
from shared.api.execution import KubernetesExecution
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import StepStatus, Token
from shared.ids import ExecutionName
from shared.workflow.definition import steps_of
from shared.workflow.executions import name_of
from shared.workflow.stopping import stop_reason

Executions = Mapping[ExecutionName, KubernetesExecution]

SETTLING: Final = "its execution was deleted; looking at what it did"


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


def released(
    workflow: WorkflowExecution, executions: Executions
) -> tuple[dict[str, Token], dict[str, StepStatus]]:
    """Return the tokens still held, and the steps, after dropping what has ended.

    A token goes when its execution is terminal and the monitor has judged its attempt (R3).
    A cancelled execution never acted: its step ends without a judgement.
    """
    kept = dict(workflow.status.tokens)
    steps = {step.name: step for step in workflow.status.steps}
    for name, token in workflow.status.tokens.items():
        if steps[name].reason is StepReason.RETRYING:
            # Judged by an execution that had ended, whatever became of that since.
            del kept[name]
            continue
        execution = execution_of(workflow, executions, name, token)
        if execution is None or not execution.is_terminal:
            continue
        if late_execution(workflow, executions, steps[name], token) is not None:
            continue
        if execution.status.phase is ExecutionPhase.CANCELLED:
            steps[name] = _revoked(workflow, steps[name])
        if is_judged(steps[name]):
            del kept[name]
    return kept, steps


def handed_over(
    workflow: WorkflowExecution,
    executions: Executions,
    steps: Mapping[str, StepStatus],
    kept: dict[str, Token],
) -> dict[str, Token]:
    """Return the tokens without those of steps that completed, judged or not.

    For when another step waits: what has ended needs no token, only its judgement. A step
    with postconditions has not ended before these were judged.
    """
    specs = steps_of(workflow)
    done = {
        name
        for name, token in kept.items()
        if (execution := execution_of(workflow, executions, name, token)) is not None
        and execution.status.phase is ExecutionPhase.COMPLETED
        and late_execution(workflow, executions, steps[name], token) is None
        and not is_judged(steps[name])
        and not specs[name].post_conditions
    }
    return {name: token for name, token in kept.items() if name not in done}


def fenced_anew(
    workflow: WorkflowExecution,
    executions: Executions,
    tokens: Mapping[str, Token],
    steps: Mapping[str, StepStatus],
    deleted: frozenset[ExecutionName],
) -> tuple[dict[str, Token], dict[str, StepStatus], int]:
    """Raise the fence of a token whose execution was seen and is gone (R3, settle).

    One that was deleted and made again is gone as well: another of its name says nothing
    about what the first one did. One that was deleted after it had completed leaves nothing
    to settle: its token goes.
    """
    fence = workflow.status.last_fence
    renewed, told = dict(tokens), dict(steps)
    for name, token in tokens.items():
        forward = name_of(workflow, name, token.attempt, ExecutionKind.FORWARD)
        settle = name_of(workflow, name, token.attempt, ExecutionKind.SETTLE)
        seen = was_seen(steps[name]) or forward in deleted
        gone = settle not in executions and (forward not in executions or forward in deleted)
        if gone and steps[name].phase is StepPhase.VERIFYING:
            del renewed[name]
        elif gone and seen and not is_refenced(steps[name]):
            fence += 1
            renewed[name] = msgspec.structs.replace(token, fence=fence)
            told[name] = msgspec.structs.replace(
                steps[name], message=SETTLING, reason=StepReason.EXECUTION_DELETED
            )
    return renewed, told, fence


def is_judged(step: StepStatus) -> bool:
    """Return whether the monitor has said how the latest attempt of a step ended."""
    return step.phase in SETTLED_STEP_PHASES or step.reason is StepReason.RETRYING


def was_seen(step: StepStatus) -> bool:
    """Return whether status records that the execution of its latest attempt once existed."""
    if step.execution_ref is not None and step.execution_ref.uid:
        return True
    if step.phase is StepPhase.VERIFYING:
        return True
    return step.start_time is not None and step.phase in SETTLED_STEP_PHASES


def is_refenced(step: StepStatus) -> bool:
    """Return whether the step's execution was already found deleted."""
    return step.message == SETTLING


def execution_of(
    workflow: WorkflowExecution, executions: Executions, step: str, token: Token
) -> KubernetesExecution | None:
    """Return the execution that speaks for a token's step.

    That is the settling one where there is one, else the forward one, unless that was found
    deleted: then another of its name says nothing about what the first one did.
    """
    settle = executions.get(name_of(workflow, step, token.attempt, ExecutionKind.SETTLE))
    deleted = any(each.name == step and is_refenced(each) for each in workflow.status.steps)
    if settle is not None or deleted:
        return settle
    return executions.get(name_of(workflow, step, token.attempt, ExecutionKind.FORWARD))


def late_execution(
    workflow: WorkflowExecution, executions: Executions, step: StepStatus, token: Token
) -> KubernetesExecution | None:
    """Return the unfinished forward execution of a step whose settling one is to speak for it."""
    forward = executions.get(name_of(workflow, step.name, token.attempt, ExecutionKind.FORWARD))
    settle = executions.get(name_of(workflow, step.name, token.attempt, ExecutionKind.SETTLE))
    is_late = settle is not None or is_refenced(step)
    return forward if forward is not None and is_late and not forward.is_terminal else None


def _revoked(workflow: WorkflowExecution, step: StepStatus) -> StepStatus:
    """Return a step whose latest attempt never began: skipped, unless an earlier one failed."""
    failed = step.attempts > 1
    return msgspec.structs.replace(
        step,
        phase=StepPhase.FAILED if failed else StepPhase.SKIPPED,
        reason=stop_reason(workflow) or StepReason.CANCELLED,
        message="cancelled before it was tried again" if failed else "cancelled before it started",
    )
