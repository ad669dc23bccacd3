"""Whether a workflow can be planned, and if not, everything that has to change.

Pure, and total: whatever can be decoded gets an answer. Finds all defects at once, the
ones of names and references first, since the first gives the workflow its reason.
"""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from services.planner.core.actions import action_defects, undo_defects
from services.planner.core.conditions import (
    NONE_UNUSABLE,
    Unusable,
    condition_defects,
    override_defects,
)
from services.planner.core.defects import DEFINITION, Defect, Reason, step_path
from services.planner.core.graph import batches, build_graph, cycles, dependencies
from services.planner.core.job_templates import NO_JOBS, Jobs, job_defects
from services.planner.core.references import reference_defects
from services.planner.core.retrying import retry_defects
from services.planner.core.timeouts import deadline_defects, duration_defects
from services.planner.core.unsupported import unsupported_in_spec, unsupported_in_step
from shared.api.enums import ExecutionMode
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import ExecutionStrategy, WorkflowDefinition
from shared.workflow.graph import step_numbers

__all__ = ["Defect", "Reason", "validate"]

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")
_SHOWN: Final = 10
"""Steps of a cycle that are written out; a message of a hundred names helps nobody."""


def validate(
    workflow: WorkflowExecution,
    *,
    max_steps: int = 100,
    max_depth: int = 100,
    longest_undo: timedelta = timedelta(minutes=5),
    unusable: Unusable = NONE_UNUSABLE,
    jobs: Jobs = NO_JOBS,
) -> list[Defect]:
    """Return every defect of the definition; an empty list means it can be planned.

    Args:
        workflow: The workflow, decoded.
        max_steps: Steps a workflow may have; above it, nothing else is looked at.
        max_depth: Batches a plan may have, one after the other.
        longest_undo: What one try of an explicit undo may take.
        unusable: Why policies of conditions cannot be used.
        jobs: What the cluster has for Jobs.
    """
    spec = workflow.spec
    definition = spec.workflow_definition
    size = _size_defect(len(definition.steps), max_steps=max_steps)
    if size:
        return [size]
    found = [
        *_name_defects(definition),
        *_number_defects(definition),
        *_reference_defects(definition),
        *_shape_defects(definition, max_depth=max_depth),
    ]
    found += reference_defects(definition)
    for step in definition.steps:
        found += action_defects(step, namespace=workflow.metadata.namespace)
        found += undo_defects(step, namespace=workflow.metadata.namespace)
        found += duration_defects(step, longest_undo=longest_undo)
        found += retry_defects(step)
        found += condition_defects(step, unusable)
        found += job_defects(step, jobs, namespace=workflow.metadata.namespace)
        found += unsupported_in_step(step)
    found += deadline_defects(spec)
    found += override_defects(spec)
    found += unsupported_in_spec(spec)
    return [*found, *_strategy_defects(spec.execution_strategy)]


def _size_defect(count: int, *, max_steps: int) -> Defect | None:
    path = f"{DEFINITION}.steps"
    if count == 0:
        return Defect(path=path, reason=Reason.EMPTY_STEPS, message="add at least one step")
    if count > max_steps:
        message = f"{count} steps, more than the {max_steps} allowed; split the workflow"
        return Defect(path=path, reason=Reason.TOO_MANY_STEPS, message=message)
    return None


def _name_defects(definition: WorkflowDefinition) -> Iterator[Defect]:
    for name, count in Counter(step.name for step in definition.steps).items():
        if not _NAME.fullmatch(name):
            message = (
                f"{name!r} is no DNS label of up to 40 characters; use lower-case letters, "
                "digits and inner hyphens"
            )
            yield Defect(
                path=step_path(name, field="name"), reason=Reason.INVALID_NAME, message=message
            )
        if count > 1:
            message = f"{count} steps have this name; give each its own"
            yield Defect(path=step_path(name), reason=Reason.DUPLICATE_STEP, message=message)


def _number_defects(definition: WorkflowDefinition) -> Iterator[Defect]:
    taken: dict[int, str] = {}
    for position, step in enumerate(definition.steps, start=1):
        number = step.step_number or position
        owner = taken.setdefault(number, step.name)
        if owner != step.name:
            message = (
                f"number {number} already belongs to step {owner!r} (a step without one has "
                "its place in the list); number all steps differently, or none"
            )
            yield Defect(
                path=step_path(step.name, field="stepNumber"),
                reason=Reason.DUPLICATE_STEP_NUMBER,
                message=message,
            )


def _reference_defects(definition: WorkflowDefinition) -> Iterator[Defect]:
    names = {step.name: step for step in definition.steps}
    for name, needs in dependencies(definition).items():
        for need in needs:
            if need not in names:
                inline = need in names[name].depends_on
                yield _unknown(
                    step_path(name, field="dependsOn") if inline else _mapped(name), need
                )
    for key in definition.dependencies:
        if key not in names:
            yield _unknown(_mapped(key), key)


def _unknown(path: str, name: str) -> Defect:
    message = f"there is no step {name!r}; name a step of this workflow"
    return Defect(path=path, reason=Reason.INVALID_DEPENDENCY, message=message)


def _mapped(name: str) -> str:
    # Keys are free text: one that holds ": " would pass for the reason where errors are split.
    path = f"{DEFINITION}.dependencies"
    return f"{path}[{name}]" if _NAME.fullmatch(name) else path


def _shape_defects(definition: WorkflowDefinition, *, max_depth: int) -> Iterator[Defect]:
    graph = build_graph(definition)
    closed = cycles(graph)
    for path in closed:
        yield _circular(path)
    depth = 0 if closed else len(batches(graph, step_numbers(definition)))
    if depth > max_depth:
        message = (
            f"{depth} steps wait for each other in a row, more than the {max_depth} allowed; "
            "shorten the chain or split the workflow"
        )
        yield Defect(path=f"{DEFINITION}.steps", reason=Reason.GRAPH_TOO_DEEP, message=message)


def _circular(path: list[str]) -> Defect:
    left_out = len(path) - _SHOWN
    shown = path
    if left_out > 0:
        shown = [*path[: _SHOWN - 1], f"({left_out} more)", path[-1]]
    if path[0] == path[1]:
        message = f"{path[0]} -> {path[0]}: a step cannot wait for itself; remove it here"
    else:
        message = f"{' -> '.join(shown)}: these steps wait for each other; remove one dependency"
    where = step_path(path[0], field="dependsOn")
    return Defect(path=where, reason=Reason.CIRCULAR_DEPENDENCY, message=message)


def _strategy_defects(strategy: ExecutionStrategy) -> Iterator[Defect]:
    limit = strategy.max_parallel_steps
    if strategy.mode is ExecutionMode.SEQUENTIAL and limit is not None and limit > 1:
        message = (
            f"mode sequential runs one step at a time, maxParallelSteps says {limit}; "
            "remove one of them"
        )
        yield Defect(
            path="spec.executionStrategy.maxParallelSteps",
            reason=Reason.CONFLICTING_STRATEGY,
            message=message,
        )
