"""The parameters of a step as its execution gets them: every expression has its value.

A value cannot lead out of the workflow's own namespace, in which it may act, nor make of a
text what planning would have refused; what is written down plainly was checked then.
"""

from shared.api.parameters import ActionParameters, Parameters
from shared.api.workflow import WorkflowExecution
from shared.effects.problems import problems_of
from shared.effects.targets import named_namespace
from shared.expressions.errors import ExpressionError
from shared.expressions.scope import scope_of
from shared.expressions.substitution import substituted_parameters


def resolved(workflow: WorkflowExecution, parameters: Parameters) -> Parameters:
    """Return parameters without expressions; the same for everybody who asks.

    Raises:
        ExpressionError: naming the field, when a value is missing, of a wrong type, names
            another namespace, or makes of the parameters what no step may ask for.
    """
    done = substituted_parameters(parameters, scope_of(workflow))
    own = workflow.metadata.namespace
    for key in Parameters.__struct_fields__:
        given = getattr(done, key)
        if given is None:
            continue
        namespace = named_namespace(given)
        if namespace not in {"", own}:
            raise ExpressionError(f"{key}: may only act in namespace {own!r}, not in {namespace!r}")
        if done is not parameters:
            _refuse_problems(key, given)
    return done


def _refuse_problems(key: str, given: ActionParameters) -> None:
    for field, message in problems_of(given):
        raise ExpressionError(f"{key}.{field}: {message}" if field else f"{key}: {message}")
