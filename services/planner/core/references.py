"""What expressions and secondary steps refer to: all of it has to exist, and to come first."""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import networkx as nx

from services.planner.core.defects import DEFINITION, Defect, Reason, step_path
from services.planner.core.graph import build_graph, cycles
from shared.api.enums import SecondaryMode
from shared.api.workflow_spec import Step, WorkflowDefinition
from shared.effects.catalogue import CATALOGUE, canonical
from shared.expressions.expression import ExpressionError, problems
from shared.expressions.substitution import expressions_in

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_LONGEST: Final = 1024


def reference_defects(definition: WorkflowDefinition) -> Iterator[Defect]:
    """Yield what is wrong with variables, expressions and secondary steps."""
    yield from _variable_defects(definition)
    yield from _secondary_defects(definition)
    graph = build_graph(definition)
    looped = bool(cycles(graph))
    for step in definition.steps:
        before = set() if looped else nx.ancestors(graph, step.name)
        for field, text in _expressions(step):
            own = {step.name} if field.startswith("rollback.") else set()
            for problem in _problems(text, before | own, definition):
                yield Defect(
                    path=step_path(step.name, field=field),
                    reason=Reason.INVALID_EXPRESSION,
                    message=problem,
                )
        yield from _convergent_defects(step)


def _expressions(step: Step) -> Iterator[tuple[str, str | None]]:
    """Yield each expression of a step with its field; None stands for one without an end."""
    if step.run_if is not None:
        yield "runIf", step.run_if
    if step.skip_if is not None:
        yield "skipIf", step.skip_if
    yield from _embedded("parameters", step.parameters)
    if step.rollback is not None:
        yield from _embedded("rollback.parameters", step.rollback.parameters)


def _embedded(field: str, parameters: msgspec.Struct) -> Iterator[tuple[str, str | None]]:
    plain: dict[str, Any] = msgspec.to_builtins(parameters)
    try:
        for path, text in expressions_in(plain):
            yield f"{field}.{path}", text
    except ExpressionError:
        yield field, None


def _problems(text: str | None, steps: set[str], definition: WorkflowDefinition) -> list[str]:
    if text is None:
        return ["an expression has no end; close it with }"]
    return problems(text, steps=steps, variables=definition.variables.keys())


def _variable_defects(definition: WorkflowDefinition) -> Iterator[Defect]:
    for name, value in definition.variables.items():
        problem = _variable_problem(name, value)
        if problem:
            shown = f"[{name}]" if _NAME.fullmatch(name) else ""
            yield Defect(
                path=f"{DEFINITION}.variables{shown}",
                reason=Reason.INVALID_VARIABLE,
                message=problem,
            )


def _variable_problem(name: str, value: object) -> str:
    if not _NAME.fullmatch(name):
        return f"{name!r} cannot be looked up; use letters, digits and underscores"
    match value:
        case bool() | int() | float():
            return ""
        case str() if "${" in value:
            return "a value may not hold an expression"
        case str() if len(value) > _LONGEST:
            return f"longer than {_LONGEST} characters"
        case str():
            return ""
        case _:
            return "use a text, a number, true or false"


def _secondary_defects(definition: WorkflowDefinition) -> Iterator[Defect]:
    steps = {step.name: step for step in definition.steps}
    for step in definition.steps:
        problem = _secondary_problem(step, steps)
        if problem:
            yield Defect(
                path=step_path(step.name, field="secondary.primary"),
                reason=Reason.INVALID_SECONDARY,
                message=problem,
            )


def _secondary_problem(step: Step, steps: dict[str, Step]) -> str:
    if step.secondary is None:
        return ""
    name = step.secondary.primary
    primary = steps.get(name)
    if primary is None:
        return f"there is no step {name!r}; name a step of this workflow"
    if name == step.name:
        return "a step cannot be its own primary; name another one"
    parallel = SecondaryMode.PARALLEL_WITH_PRIMARY
    if step.secondary.mode is parallel and primary.secondary and primary.secondary.mode is parallel:
        return f"{name!r} runs beside another step itself; name that one"
    return ""


def _convergent_defects(step: Step) -> Iterator[Defect]:
    action = canonical(step.action)
    if step.convergent and action is not None and not CATALOGUE[action].changes_cluster:
        yield Defect(
            path=step_path(step.name, field="convergent"),
            reason=Reason.INVALID_PARAMETERS,
            message=f"{action} changes nothing that could be left alone; remove it",
        )
