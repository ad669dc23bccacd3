"""The plan of a validated workflow: order, batches, the way back, and how long it takes.

Same input, same plan, byte for byte. The digest says what the plan was made from; it
leaves out what may change later (`maxParallelSteps`, `control`) and what changes nothing
(who recommended the workflow). Held by tests/property/test_planner.py.
"""

from datetime import timedelta
from hashlib import sha256

import msgspec

from services.planner.core.graph import Graph, batches, build_graph, dependencies
from services.planner.core.timeouts import step_timeout
from shared.api.enums import ExecutionMode
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Step, WorkflowDefinition
from shared.api.workflow_status import ExecutionPlan, StepStatus
from shared.effects.catalogue import CATALOGUE, Reversal, canonical
from shared.workflow import durations
from shared.workflow.definition import definition_of
from shared.workflow.graph import step_numbers

__all__ = ["digest_of", "initial_steps", "make_plan", "step_timeout"]


def make_plan(workflow: WorkflowExecution, *, revision: int = 1) -> ExecutionPlan:
    """Return the plan of a workflow that `validate` found nothing wrong with."""
    definition = definition_of(workflow)
    graph = build_graph(definition)
    levels = batches(graph, step_numbers(definition))
    order = [name for level in levels for name in level]
    sequential = workflow.spec.execution_strategy.mode is ExecutionMode.SEQUENTIAL
    groups = [[name] for name in order] if sequential else levels
    return ExecutionPlan(
        revision=revision,
        digest=digest_of(workflow),
        strategy=_strategy(groups),
        order=order,
        batches=groups,
        reverse_order=order[::-1],
        irreversible=_irreversible(definition, order),
        estimated_duration=durations.render(
            _longest(graph, definition, order, sequential=sequential)
        ),
    )


def initial_steps(workflow: WorkflowExecution, plan: ExecutionPlan) -> list[StepStatus]:
    """Return a Pending entry for each step of the plan, in the order of the definition."""
    definition = definition_of(workflow)
    numbers = step_numbers(definition)
    named = set(plan.order)
    return [
        StepStatus(name=step.name, step_number=numbers[step.name], action=_action(step))
        for step in definition.steps
        if step.name in named
    ]


def digest_of(workflow: WorkflowExecution) -> str:
    """Return a SHA-256 of everything the plan and its steps follow from.

    Spellings that mean the same (an alias, a step named by number, either way of giving
    dependencies) give the same digest.
    """
    definition = definition_of(workflow)
    strategy = workflow.spec.execution_strategy
    needs, numbers = dependencies(definition), step_numbers(definition)
    content = {
        "name": definition.name or workflow.metadata.name,
        "version": definition.version,
        "steps": [_canonical_step(step, numbers[step.name]) for step in definition.steps],
        "dependencies": needs,
        "variables": definition.variables,
        "executionStrategy": msgspec.structs.replace(strategy, max_parallel_steps=None),
        "rollbackStrategy": workflow.spec.rollback_strategy,
    }
    if workflow.spec.condition_overrides:
        content["conditionOverrides"] = workflow.spec.condition_overrides
    return sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()


def _canonical_step(step: Step, number: int) -> Step:
    return msgspec.structs.replace(step, action=_action(step), step_number=number, depends_on=[])


def _action(step: Step) -> str:
    return str(canonical(step.action) or step.action)


def _strategy(groups: list[list[str]]) -> str:
    if all(len(group) == 1 for group in groups):
        return "sequential"
    return "parallel" if len(groups) == 1 else "sequential-with-parallel"


def _irreversible(definition: WorkflowDefinition, order: list[str]) -> list[str]:
    steps = {step.name: step for step in definition.steps}
    return [name for name in order if _is_irreversible(steps[name])]


def _is_irreversible(step: Step) -> bool:
    action = canonical(step.action)
    return (
        action is not None and CATALOGUE[action].reversal is Reversal.NONE and step.rollback is None
    )


def _longest(
    graph: Graph, definition: WorkflowDefinition, order: list[str], *, sequential: bool
) -> timedelta:
    """Return the longest path of timeouts; all of them, one after the other, if sequential."""
    length = {step.name: step_timeout(step) for step in definition.steps}
    if sequential:
        return sum(length.values(), timedelta())
    ended: dict[str, timedelta] = {}
    for name in order:
        start = max((ended[need] for need in graph.predecessors(name)), default=timedelta())
        ended[name] = start + length[name]
    return max(ended.values(), default=timedelta())
