"""Which adjustments of the plan wait for a decision, and which of them are due now.

The planner decides; the orchestrator starts nothing and the monitor sums nothing up while
one is due. So what was in time when it was written stays in time.
"""

from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Adjustment
from shared.expressions.errors import ExpressionError
from shared.expressions.expression import truth
from shared.expressions.scope import scope_of


def undecided(workflow: WorkflowExecution) -> list[Adjustment]:
    """Return the adjustments that are neither in the plan nor refused, in list order."""
    adaptive = workflow.spec.adaptive_orchestration
    if adaptive is None or not adaptive.adjustments:
        return []
    decided = {entry.name for entry in workflow.status.adaptive_adjustments}
    return [each for each in adaptive.adjustments if each.name not in decided]


def is_due(workflow: WorkflowExecution, adjustment: Adjustment) -> bool:
    """Return whether an adjustment has no condition, or one that holds now.

    A condition without a value, such as the result of a step that has none yet, does not
    hold yet.
    """
    if adjustment.when is None:
        return True
    try:
        return truth(adjustment.when, scope_of(workflow))
    except ExpressionError:
        return False


def due(workflow: WorkflowExecution) -> list[Adjustment]:
    """Return the undecided adjustments that are due, in list order."""
    return [each for each in undecided(workflow) if is_due(workflow, each)]
