"""What each step was built on, directly or not: all of that is undone after it."""

from collections.abc import Iterator

from shared.api.workflow import WorkflowExecution
from shared.workflow.definition import definition_of
from shared.workflow.graph import dependencies, fallbacks


def foundations(workflow: WorkflowExecution) -> dict[str, frozenset[str]]:
    """Return for each step of the plan the steps it needs, and those that may stand in for them.

    A fallback that itself needs the step cannot have stood in for it, and is left out.
    """
    definition, plan = definition_of(workflow), workflow.status.execution_plan
    direct, primaries = dependencies(definition), fallbacks(definition)
    found: dict[str, frozenset[str]] = {}
    for name in plan.order if plan else ():
        needs = direct.get(name, ())
        found[name] = frozenset(needs).union(*(found.get(need, frozenset()) for need in needs))
    for name in tuple(found):
        for need in direct.get(name, ()):
            if need == primaries.get(name):
                continue
            for fallback in _stand_ins(need, primaries):
                if fallback != name and name not in found.get(fallback, frozenset()):
                    _add(found, name, fallback)
    return found


def _stand_ins(step: str, primaries: dict[str, str]) -> Iterator[str]:
    """Yield the fallbacks of a step, and theirs."""
    for fallback, primary in primaries.items():
        if primary == step:
            yield fallback
            yield from _stand_ins(fallback, primaries)


def _add(found: dict[str, frozenset[str]], name: str, needed: str) -> None:
    """Note that a step, and so all that is built on it, was built on another one."""
    more = found.get(needed, frozenset()) | {needed}
    for each, needs in found.items():
        if each == name or name in needs:
            found[each] = needs | more
