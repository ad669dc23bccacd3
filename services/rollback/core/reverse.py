"""The way back: which steps are undone, and in which order.

Reverse topological, ties by latest completion first (requirements 3.3).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from services.rollback.core.foundations import foundations
from services.rollback.core.undo import Executions, attempts_of, without_undo
from shared.api.enums import (
    ErrorType,
    ExecutionKind,
    ExecutionMode,
    ExecutionPhase,
    RollbackPhase,
    RollbackType,
    StepPhase,
)
from shared.api.execution import KubernetesExecution
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import Rollback, RollbackStep, StepStatus
from shared.workflow.definition import steps_of

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def begin(
    workflow: WorkflowExecution, executions: Executions, *, now: datetime, to: str = ""
) -> Rollback:
    """Return a running rollback that lists every step to undo, last one first.

    Args:
        workflow: as it stands.
        executions: all of the workflow, by name.
        now: when it begins.
        to: a completed step that is left as it is, with all whose undo would come after its
            own; empty to undo everything.
    """
    order = undo_order(workflow, executions)
    count = [step.name for step in order].index(to) if to else len(order)
    return Rollback(
        phase=RollbackPhase.RUNNING,
        strategy=workflow.spec.rollback_strategy.type,
        to=to,
        steps=[_listed(workflow, step) for step in order[:count]],
        kept=[step.name for step in order[count:]],
        start_time=now,
    )


def by_strategy(workflow: WorkflowExecution, executions: Executions, *, now: datetime) -> Rollback:
    """Return the way back of a workflow that was stopped, as its strategy says."""
    strategy = workflow.spec.rollback_strategy.type
    match strategy:
        case RollbackType.NONE:
            return Rollback(phase=RollbackPhase.NOT_REQUESTED, strategy=strategy)
        case RollbackType.MANUAL:
            return Rollback(phase=RollbackPhase.AWAITING_TRIGGER, strategy=strategy)
        case RollbackType.AUTOMATIC:
            return begin(workflow, executions, now=now)


def undo_order(workflow: WorkflowExecution, executions: Executions) -> list[StepStatus]:
    """Return the steps whose change was made, in the order of undoing.

    Of all steps that no other one left was built on, the one that completed last is next. One
    that has not ended well is among them if an execution of it completed.
    """
    needs = foundations(workflow)
    completed = {
        step.name: _completed(workflow, step, executions) for step in workflow.status.steps
    }
    left = {
        step.name: step
        for step in workflow.status.steps
        if _was_changed(step) or completed[step.name]
    }
    ended = _ends_of(workflow, list(left.values()), completed)
    order: list[StepStatus] = []
    while left:
        needed = frozenset[str]().union(*(needs.get(name, frozenset()) for name in left))
        free = [step for name, step in left.items() if name not in needed]
        latest = max(free, key=lambda step: (ended[step.name], step.step_number))
        order.append(left.pop(latest.name))
    return order


def _was_changed(step: StepStatus) -> bool:
    return step.phase is StepPhase.COMPLETED or step.error_type is ErrorType.POSTCONDITION_FAILED


def _completed(
    workflow: WorkflowExecution, step: StepStatus, executions: Executions
) -> list[KubernetesExecution]:
    """Return the attempts of a step that reached their goal, whatever was said of it since."""
    return [
        execution
        for kind in (ExecutionKind.FORWARD, ExecutionKind.SETTLE)
        for execution in attempts_of(workflow, step, executions, kind=kind)
        if execution is not None and execution.status.phase is ExecutionPhase.COMPLETED
    ]


def _ends_of(
    workflow: WorkflowExecution,
    steps: Sequence[StepStatus],
    completed: Mapping[str, Sequence[KubernetesExecution]],
) -> dict[str, tuple[int, datetime]]:
    """Return what tells which step ended later than another one.

    Their times come from the clocks of several executors. Where one step ran at a time, the
    fences of their tokens say it better, if they are known of all.
    """
    sequential = workflow.spec.execution_strategy.mode is ExecutionMode.SEQUENTIAL
    by_fence = sequential and all(completed[step.name] for step in steps)
    return {
        step.name: (
            max(each.spec.fence for each in completed[step.name]) if by_fence else 0,
            _end_of(step, completed[step.name]),
        )
        for step in steps
    }


def _end_of(step: StepStatus, completed: Sequence[KubernetesExecution]) -> datetime:
    times = (each.status.completion_time for each in completed)
    return max((time for time in (step.completion_time, *times) if time), default=_EPOCH)


def _listed(workflow: WorkflowExecution, step: StepStatus) -> RollbackStep:
    listed = RollbackStep(name=step.name)
    why = without_undo(step, steps_of(workflow).get(step.name))
    if why is None:
        return listed
    return msgspec.structs.replace(listed, phase=why.phase, reason=why.reason, message=why.message)
