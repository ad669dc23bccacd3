"""The parameters of a step as its execution gets them: every expression has its value.

A value cannot lead out of the workflow's own namespace, in which it may act; what is
written down plainly was checked when the workflow was planned.
"""

from shared.api.parameters import Parameters
from shared.api.workflow import WorkflowExecution
from shared.effects.targets import named_namespace
from shared.expressions.errors import ExpressionError
from shared.expressions.scope import scope_of
from shared.expressions.substitution import substituted_parameters


def resolved(workflow: WorkflowExecution, parameters: Parameters) -> Parameters:
    """Return parameters without expressions; the same for everybody who asks.

    Raises:
        ExpressionError: naming the field, when a value is missing, of a wrong type, or names
            another namespace.
    """
    done = substituted_parameters(parameters, scope_of(workflow))
    own = workflow.metadata.namespace
    for key in Parameters.__struct_fields__:
        given = getattr(done, key)
        namespace = named_namespace(given) if given is not None else ""
        if namespace not in {"", own}:
            raise ExpressionError(f"{key}: may only act in namespace {own!r}, not in {namespace!r}")
    return done
