"""What the undo of one completed step is: the explicit one, else what was captured."""

from collections.abc import Mapping

import msgspec

from services.rollback.core.drift import on_drift_of
from services.rollback.core.inverse import combined
from shared.api.enums import (
    Action,
    ExecutionKind,
    ExecutionPhase,
    OnDrift,
    RollbackStepPhase,
)
from shared.api.execution import CapturedInverse, KubernetesExecution, RollbackOf
from shared.api.meta import NamedRef
from shared.api.parameters import Parameters
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Step, StepRollback
from shared.api.workflow_status import StepStatus
from shared.effects.catalogue import CATALOGUE, Reversal, canonical
from shared.expressions.errors import ExpressionError
from shared.expressions.resolving import resolved
from shared.ids import ExecutionName
from shared.workflow.definition import steps_of
from shared.workflow.executions import name_of

Executions = Mapping[ExecutionName, KubernetesExecution]


class Undo(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be carried out."""

    action: Action
    parameters: Parameters
    timeout: str
    rollback_of: RollbackOf


class NoUndo(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing is to be carried out; how the undo ends, and why."""

    phase: RollbackStepPhase
    reason: str
    message: str


def undo_of(workflow: WorkflowExecution, name: str, executions: Executions) -> Undo | NoUndo:
    """Return the undo of a completed step.

    Args:
        workflow: as it stands; expressions see the results of its steps.
        name: of the step.
        executions: all of the workflow, by name.
    """
    spec = steps_of(workflow)[name]
    step = next(each for each in workflow.status.steps if each.name == name)
    if spec.rollback is not None:
        return _explicit(workflow, step, spec.rollback)
    attempts = attempts_of(workflow, step, executions)
    return _captured(spec, attempts, on_drift_of(workflow, spec))


def attempts_of(
    workflow: WorkflowExecution,
    step: StepStatus,
    executions: Executions,
    *,
    kind: ExecutionKind = ExecutionKind.FORWARD,
) -> list[KubernetesExecution | None]:
    """Return the execution of each attempt of a step, in order; None for one that is not there."""
    return [
        executions.get(name_of(workflow, step.name, attempt, kind))
        for attempt in range(1, step.attempts + 1)
    ]


def without_undo(step: StepStatus, spec: Step | None) -> NoUndo | None:
    """Return why a completed step is not undone, as far as its action alone says so."""
    action = canonical(step.action)
    if action is None or CATALOGUE[action].reversible or (spec and spec.rollback):
        return None
    if CATALOGUE[action].reversal is Reversal.NONE:
        return _skipped("Irreversible", f"skipped: irreversible; {action} cannot be undone")
    return _skipped("NothingToUndo", "it changed nothing")


def _explicit(workflow: WorkflowExecution, step: StepStatus, wanted: StepRollback) -> Undo | NoUndo:
    """Return what the step itself says; nobody captured what it would have to find."""
    action = canonical(wanted.action)
    if action is None:
        return _failed("UnknownAction", f"{wanted.action!r} is no action of this version")
    try:
        parameters = resolved(workflow, wanted.parameters)
    except ExpressionError as error:
        return _failed(error.reason, str(error))
    forward = step.execution_ref or NamedRef(
        name=name_of(workflow, step.name, step.attempts, ExecutionKind.FORWARD),
        namespace=workflow.metadata.namespace,
    )
    return Undo(
        action=action,
        parameters=parameters,
        timeout=wanted.timeout or CATALOGUE[action].timeout,
        rollback_of=RollbackOf(step=step.name, execution_ref=forward, on_drift=OnDrift.FORCE),
    )


def _captured(
    spec: Step, attempts: list[KubernetesExecution | None], on_drift: OnDrift
) -> Undo | NoUndo:
    acted = [each for each in attempts if not _did_nothing(each)]
    last = acted[-1] if acted else None
    found = [each.status.rollback_information for each in acted if each is not None]
    if last is None or last.status.rollback_information is None:
        return _failed("UndoDataMissing", "its execution is gone, and with it the state before")
    inverse = combined([each for each in found if each is not None])
    if None in attempts and not _shows_before(inverse):
        # What the last attempt found may be what the lost one had left.
        lost = f"the execution of attempt {attempts.index(None) + 1} is gone"
        return _failed("UndoDataMissing", f"{lost}, and with it the state before")
    if inverse is None:
        return _skipped("NothingToUndo", "it found its goal already reached")
    action = canonical(inverse.rollback_action)
    if action is None or inverse.rollback_parameters is None:
        return _failed("UndoDataMissing", "its execution does not say how to restore that state")
    return Undo(
        action=action,
        parameters=inverse.rollback_parameters,
        timeout=CATALOGUE[action].timeout,
        rollback_of=RollbackOf(
            step=spec.name,
            execution_ref=NamedRef(
                name=last.metadata.name,
                namespace=last.metadata.namespace,
                uid=last.metadata.uid,
            ),
            target=inverse.target,
            before=inverse.before,
            after=inverse.after,
            absent_before=inverse.absent_before,
            kept_in=inverse.kept_in,
            left_in=inverse.left_in,
            action=str(canonical(spec.action) or ""),
            on_drift=on_drift,
        ),
    )


def _did_nothing(attempt: KubernetesExecution | None) -> bool:
    """Return whether it is known that an attempt ended before it changed anything.

    Whoever took it over from an executor that died may not have learned what that one did.
    """
    if attempt is None or attempt.status.phase is ExecutionPhase.COMPLETED:
        return False
    status = attempt.status
    if status.rollback_information is None:
        return True
    return not status.effects and status.claim_fence <= 1


def _shows_before(inverse: CapturedInverse | None) -> bool:
    """Return whether what was before stands in an inverse, and is not what the step sets."""
    return inverse is not None and not inverse.kept_in and inverse.before != inverse.after


def _skipped(reason: str, message: str) -> NoUndo:
    return NoUndo(phase=RollbackStepPhase.SKIPPED, reason=reason, message=message)


def _failed(reason: str, message: str) -> NoUndo:
    return NoUndo(phase=RollbackStepPhase.FAILED, reason=reason, message=message)
