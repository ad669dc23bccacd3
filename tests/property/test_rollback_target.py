"""Laws of a rollback to a step: what is undone comes after it, what is kept stands on its own."""

from datetime import timedelta

import msgspec
import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from services.planner.core.graph import build_graph
from services.rollback.core.reverse import begin, undo_order
from shared.api.enums import StepPhase
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import ExecutionStrategy
from tests.property.test_planner import acyclic
from tests.support.builders import NOW, make_workflow, planned


@st.composite
def half_done(draw: st.DrawFn) -> tuple[WorkflowExecution, str]:
    """Return a workflow with any steps completed, at any times, and one of those."""
    mode = draw(st.sampled_from(["parallel", "sequential"]))
    strategy = msgspec.convert({"mode": mode}, ExecutionStrategy)
    workflow = planned(make_workflow(draw(acyclic()), strategy=strategy))
    names = [step.name for step in workflow.status.steps]
    done = draw(st.sets(st.sampled_from(names), min_size=1))
    steps = [
        msgspec.structs.replace(
            step,
            phase=StepPhase.COMPLETED,
            completion_time=NOW + timedelta(seconds=draw(st.integers(0, 5))),
        )
        if step.name in done
        else step
        for step in workflow.status.steps
    ]
    status = msgspec.structs.replace(workflow.status, steps=steps)
    changed = msgspec.structs.replace(workflow, status=status)
    return changed, draw(st.sampled_from(sorted(done)))


@given(half_done())
def test_exactly_what_comes_after_the_step_is_undone(case: tuple[WorkflowExecution, str]) -> None:
    workflow, to = case
    whole = [step.name for step in undo_order(workflow, {})]

    rollback = begin(workflow, {}, now=NOW, to=to)

    undone = [step.name for step in rollback.steps]
    assert undone + rollback.kept == whole
    assert rollback.kept[0] == to
    assert [step.name for step in begin(workflow, {}, now=NOW).steps] == whole


@given(half_done())
def test_nothing_that_is_kept_is_built_on_what_is_undone(
    case: tuple[WorkflowExecution, str],
) -> None:
    workflow, to = case
    graph = build_graph(workflow.spec.workflow_definition)

    rollback = begin(workflow, {}, now=NOW, to=to)

    undone = {step.name for step in rollback.steps}
    for name in rollback.kept:
        assert not nx.ancestors(graph, name) & undone
    completed = {step.name for step in workflow.status.steps if step.phase is StepPhase.COMPLETED}
    assert nx.descendants(graph, to) & completed <= undone
