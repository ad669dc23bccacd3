"""What becomes of `spec.control`: taken up once, followed or refused with the reason.

Level-triggered: the verb as it stands is what a person wants. Ending a workflow cannot be
taken back; everything else can.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

import msgspec

from services.orchestrator.core.refusal import Refusal
from services.orchestrator.core.rollback_target import unreachable, wanted_target
from shared.api.enums import (
    SETTLED_STEP_PHASES,
    TERMINAL_PHASES,
    Control,
    Phase,
    RollbackPhase,
    StepPhase,
    StepReason,
)
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import ControlStatus, StepStatus, WorkflowStatus
from shared.workflow.definition import steps_of
from shared.workflow.stopping import stop_reason

_ENDED: Final = Refusal("AlreadyEnded", "the workflow has ended; make a new one")
_ROLLING_BACK: Final = Refusal(
    "RollbackRunning", "a rollback that has begun goes on to its end; wait for it"
)
_BACK: Final = frozenset({Phase.ROLLING_BACK, Phase.ROLLED_BACK, Phase.ROLLBACK_FAILED})
_STOPPING: Final = Refusal("AlreadyStopping", "the workflow is being ended; that stays")


def take_up(workflow: WorkflowExecution, *, now: datetime) -> ControlStatus | None:
    """Return what becomes of the verb that stands in the spec, or None when that is known."""
    before = workflow.status.control or ControlStatus()
    verb, generation = workflow.spec.control, workflow.metadata.generation
    target = wanted_target(workflow)
    asked_again = verb is Control.RETRY and generation != before.generation
    if verb is before.verb and target == before.rollback_to and not asked_again:
        return None
    refused = _VERBS[verb](workflow) if verb is not None else None
    answered = msgspec.structs.replace(
        before,
        verb=verb,
        rollback_to=target,
        generation=generation,
        accepted=refused is None,
        reason=refused.reason if refused else "",
        message=refused.message if refused else "",
        time=now,
    )
    return answered if refused else _followed(workflow, answered)


def retried(workflow: WorkflowExecution) -> WorkflowStatus:
    """Return the status of a Degraded workflow that goes on from its failed steps."""
    return msgspec.structs.replace(
        workflow.status, steps=[_restarted(workflow, step) for step in workflow.status.steps]
    )


def is_retry(workflow: WorkflowExecution, control: ControlStatus) -> bool:
    """Return whether this answer sends a Degraded workflow forward again."""
    retry = control.verb is Control.RETRY and control.accepted
    return retry and workflow.status.phase is Phase.DEGRADED


def _followed(workflow: WorkflowExecution, control: ControlStatus) -> ControlStatus:
    match control.verb:
        case Control.PAUSE:
            return msgspec.structs.replace(control, paused=True)
        case Control.CANCEL:
            return msgspec.structs.replace(control, paused=False, stop=Control.CANCEL)
        case Control.ROLLBACK:
            stop = Control.ROLLBACK if _goes_forward(workflow) else control.stop
            return msgspec.structs.replace(
                control, paused=False, stop=stop, back_to=control.rollback_to
            )
        case Control.RESUME | Control.RETRY | None:
            return msgspec.structs.replace(control, paused=False)


def _pause(workflow: WorkflowExecution) -> Refusal | None:
    return _common(workflow) or (_STOPPING if stop_reason(workflow) is not None else None)


def _resume(workflow: WorkflowExecution) -> Refusal | None:
    return _common(workflow) or (_STOPPING if _stop(workflow) is not None else None)


def _cancel(workflow: WorkflowExecution) -> Refusal | None:
    if workflow.status.phase is Phase.ROLLING_BACK:
        return _ROLLING_BACK
    if _is_complete(workflow):
        return _ENDED
    return _common(workflow) or (_STOPPING if _stop(workflow) is Control.ROLLBACK else None)


def _rollback(workflow: WorkflowExecution) -> Refusal | None:
    status = workflow.status
    if status.phase in _BACK and _goes_where_asked(workflow):
        return None
    if status.phase is Phase.COMPLETED or _is_complete(workflow):
        return Refusal("AlreadyEnded", "it has completed; apply a workflow that undoes it")
    refused = None if status.phase is Phase.DEGRADED else _common(workflow)
    return refused or unreachable(workflow)


def _retry(workflow: WorkflowExecution) -> Refusal | None:
    if workflow.status.phase is not Phase.DEGRADED:
        return Refusal(
            "NotDegraded",
            "only a Degraded workflow is tried again (rollbackStrategy Manual); "
            "set control to resume first to ask again later",
        )
    stopped = stop_reason(workflow)
    if stopped is not StepReason.WORKFLOW_FAILED:
        return Refusal(str(stopped), "it did not stop for a failed step; roll it back")
    return None


def _common(workflow: WorkflowExecution) -> Refusal | None:
    if workflow.status.phase is Phase.ROLLING_BACK:
        return _ROLLING_BACK
    return _ENDED if workflow.status.phase in TERMINAL_PHASES else None


_VERBS: Final[Mapping[Control, Callable[[WorkflowExecution], Refusal | None]]] = {
    Control.PAUSE: _pause,
    Control.RESUME: _resume,
    Control.CANCEL: _cancel,
    Control.ROLLBACK: _rollback,
    Control.RETRY: _retry,
}


def _goes_where_asked(workflow: WorkflowExecution) -> bool:
    """Return whether the way back that has begun is the one that is asked for."""
    rollback = workflow.status.rollback
    return rollback is not None and rollback.to == wanted_target(workflow)


def _goes_forward(workflow: WorkflowExecution) -> bool:
    """Return whether there is no way back yet, or the one that waited was left for a retry."""
    rollback = workflow.status.rollback
    if rollback is None:
        return True
    waits = rollback.phase is RollbackPhase.AWAITING_TRIGGER
    return waits and workflow.status.phase is not Phase.DEGRADED


def _stop(workflow: WorkflowExecution) -> Control | None:
    return workflow.status.control.stop if workflow.status.control else None


def _is_complete(workflow: WorkflowExecution) -> bool:
    """Return whether every step has settled well, though a token may still be held."""
    steps = workflow.status.steps
    settled = bool(steps) and all(step.phase in SETTLED_STEP_PHASES for step in steps)
    return settled and stop_reason(workflow) is None


_GIVEN_UP: Final = frozenset({StepReason.WORKFLOW_FAILED, StepReason.DEPENDENCY_FAILED})


def _restarted(workflow: WorkflowExecution, step: StepStatus) -> StepStatus:
    critical = steps_of(workflow)[step.name].critical_step
    failed = step.phase is StepPhase.FAILED and critical
    skipped = step.phase is StepPhase.SKIPPED and step.reason in _GIVEN_UP
    if not failed and not skipped:
        return step
    return msgspec.structs.replace(
        step,
        phase=StepPhase.PENDING,
        reason=None,
        message="",
        error_type=None,
        next_attempt_time=None,
    )
