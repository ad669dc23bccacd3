"""Whether an undo may be carried out again when nobody knows what its execution did.

Most leave a mark on their target: whoever finds it does nothing again. Jobs and deleted pods
leave none that outlasts their execution. So it is noted when one is seen first; deleted after
that, it is not created again.
"""

from typing import Final

from services.rollback.core.undo import Executions, NoUndo, undo_of
from shared.api.enums import RollbackStepPhase
from shared.api.execution import KubernetesExecution
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import RollbackStep
from shared.effects.catalogue import CATALOGUE, Family, canonical
from shared.workflow.undone import UNKNOWN

_UNMARKED: Final = frozenset({Family.JOBS, Family.PODS})
_GONE: Final = "its execution was deleted, and nobody knows what it did"


def can_be_repeated(undo: KubernetesExecution) -> bool:
    """Return whether it can be told from its target what an undo did."""
    told, action = undo.spec.rollback_of, canonical(undo.spec.action)
    captured = told is not None and told.target is not None
    return captured or action is None or CATALOGUE[action].family not in _UNMARKED


def lost_end(
    workflow: WorkflowExecution, step: RollbackStep, executions: Executions
) -> NoUndo | None:
    """Return how an undo ends whose execution is not there, or None if it is to be created."""
    undo = undo_of(workflow, step.name, executions)
    if isinstance(undo, NoUndo):
        return undo
    if step.execution_ref is None or not step.execution_ref.uid:
        return None
    return NoUndo(phase=RollbackStepPhase.FAILED, reason=UNKNOWN, message=_GONE)
