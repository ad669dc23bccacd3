"""The way back: which steps are undone, and in which order.

Reverse topological, ties by latest completion first (requirements 3.3).
"""

from datetime import UTC, datetime
from typing import Final

import msgspec

from services.rollback.core.foundations import foundations
from services.rollback.core.undo import without_undo
from shared.api.enums import ErrorType, RollbackPhase, RollbackType, StepPhase
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import Rollback, RollbackStep, StepStatus
from shared.workflow.definition import steps_of

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def begin(workflow: WorkflowExecution, *, now: datetime, to: str = "") -> Rollback:
    """Return a running rollback that lists every step to undo, last one first.

    Args:
        workflow: as it stands.
        now: when it begins.
        to: a completed step that is left as it is, with all whose undo would come after its
            own; empty to undo everything.
    """
    order = undo_order(workflow)
    count = [step.name for step in order].index(to) if to else len(order)
    return Rollback(
        phase=RollbackPhase.RUNNING,
        strategy=workflow.spec.rollback_strategy.type,
        to=to,
        steps=[_listed(workflow, step) for step in order[:count]],
        kept=[step.name for step in order[count:]],
        start_time=now,
    )


def by_strategy(workflow: WorkflowExecution, *, now: datetime) -> Rollback:
    """Return the way back of a workflow that was stopped, as its strategy says."""
    strategy = workflow.spec.rollback_strategy.type
    match strategy:
        case RollbackType.NONE:
            return Rollback(phase=RollbackPhase.NOT_REQUESTED, strategy=strategy)
        case RollbackType.MANUAL:
            return Rollback(phase=RollbackPhase.AWAITING_TRIGGER, strategy=strategy)
        case RollbackType.AUTOMATIC:
            return begin(workflow, now=now)


def undo_order(workflow: WorkflowExecution) -> list[StepStatus]:
    """Return the steps whose change was made, in the order of undoing.

    Of all steps that no other one left was built on, the one that completed last is next. One
    that failed its postconditions is among them: its execution completed.
    """
    needs = foundations(workflow)
    left = {step.name: step for step in workflow.status.steps if _was_changed(step)}
    order: list[StepStatus] = []
    while left:
        needed = frozenset[str]().union(*(needs.get(name, frozenset()) for name in left))
        free = [step for name, step in left.items() if name not in needed]
        latest = max(free, key=lambda step: (step.completion_time or _EPOCH, step.step_number))
        order.append(left.pop(latest.name))
    return order


def _was_changed(step: StepStatus) -> bool:
    return step.phase is StepPhase.COMPLETED or step.error_type is ErrorType.POSTCONDITION_FAILED


def _listed(workflow: WorkflowExecution, step: StepStatus) -> RollbackStep:
    listed = RollbackStep(name=step.name)
    why = without_undo(step, steps_of(workflow).get(step.name))
    if why is None:
        return listed
    return msgspec.structs.replace(listed, phase=why.phase, reason=why.reason, message=why.message)
