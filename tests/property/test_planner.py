"""Laws of the planner: order, batches, the way back, the digest, cycles, totality."""

from itertools import pairwise
from typing import Any

import msgspec
import networkx as nx
from hypothesis import assume, given
from hypothesis import strategies as st

from services.planner.core.graph import build_graph, cycles
from services.planner.core.plan import initial_steps, make_plan
from services.planner.core.validate import Reason, validate
from shared.api.parameters import Parameters, ScaleDeployment
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Step, WorkflowSpec
from tests.support.builders import make_workflow, scale_step

MAX_NODES = 12


@st.composite
def acyclic(draw: st.DrawFn) -> list[Step]:
    """Steps that need only steps before them, listed in any order."""
    count = draw(st.integers(1, MAX_NODES))
    steps = [
        scale_step(
            f"s{i}",
            needs=[f"s{n}" for n in sorted(draw(st.sets(st.integers(0, i - 1))))] if i else [],
        )
        for i in range(count)
    ]
    return draw(st.permutations(steps))


@st.composite
def any_graph(draw: st.DrawFn) -> list[Step]:
    """Steps that need any steps, themselves included."""
    count = draw(st.integers(1, MAX_NODES))
    needs = st.lists(st.integers(0, count - 1).map(lambda n: f"s{n}"), max_size=4)
    return [scale_step(f"s{i}", needs=draw(needs)) for i in range(count)]


@given(acyclic())
def test_the_order_respects_every_need_and_the_way_back_reverses_it(steps: list[Step]) -> None:
    workflow = make_workflow(steps)
    plan = make_plan(workflow)
    there = {name: place for place, name in enumerate(plan.order)}
    back = {name: place for place, name in enumerate(plan.reverse_order)}

    assert validate(workflow) == []
    assert sorted(plan.order) == sorted(plan.reverse_order) == sorted(s.name for s in steps)
    assert [s.name for s in initial_steps(workflow, plan)] == [s.name for s in steps]
    for step in steps:
        for need in step.depends_on:
            assert there[need] < there[step.name]
            assert back[need] > back[step.name]


@given(acyclic())
def test_each_step_is_in_the_earliest_batch_its_needs_allow(steps: list[Step]) -> None:
    needs = {step.name: step.depends_on for step in steps}

    def depth(name: str) -> int:
        return max((depth(need) + 1 for need in needs[name]), default=0)

    for level, batch in enumerate(make_plan(make_workflow(steps)).batches):
        assert {depth(name) for name in batch} == {level}


@given(acyclic(), st.data())
def test_the_same_input_gives_the_same_bytes_in_any_order_of_keys(
    steps: list[Step], data: st.DataObject
) -> None:
    workflow = make_workflow([msgspec.structs.replace(step, depends_on=[]) for step in steps])
    needs = {step.name: list(step.depends_on) for step in steps}
    shuffled = {
        step.name: data.draw(st.permutations(step.depends_on))
        for step in data.draw(st.permutations(steps))
    }

    plans = [
        msgspec.json.encode(make_plan(candidate))
        for candidate in (
            make_workflow(steps),
            make_workflow(steps),
            _with_map(workflow, needs),
            _with_map(workflow, shuffled),
        )
    ]

    assert len(set(plans)) == 1


@given(acyclic(), st.data())
def test_the_digest_changes_with_any_parameter(steps: list[Step], data: st.DataObject) -> None:
    chosen = data.draw(st.integers(0, len(steps) - 1))
    old = steps[chosen].parameters.scale_deployment
    assert old is not None
    new = data.draw(
        st.builds(
            ScaleDeployment,
            deployment=st.sampled_from([old.deployment, "other"]),
            namespace=st.sampled_from(["", "default"]),
            replicas=st.integers(0, 1000),
        )
    )
    assume(new != old)
    changed = list(steps)
    changed[chosen] = msgspec.structs.replace(
        steps[chosen], parameters=Parameters(scale_deployment=new)
    )

    assert make_plan(make_workflow(changed)).digest != make_plan(make_workflow(steps)).digest


@given(any_graph())
def test_a_cyclic_graph_is_refused_with_a_real_closed_path(steps: list[Step]) -> None:
    workflow = make_workflow(steps)
    graph = build_graph(workflow.spec.workflow_definition)
    found = cycles(graph)
    reasons = [defect.reason for defect in validate(workflow)]

    assert bool(found) is not nx.is_directed_acyclic_graph(graph)
    assert reasons == [Reason.CIRCULAR_DEPENDENCY] * len(found)
    assert found == cycles(build_graph(workflow.spec.workflow_definition))
    for path in found:
        assert path[0] == path[-1]
        assert len(set(path)) == len(path) - 1 >= 1
        assert all(graph.has_edge(a, b) for a, b in pairwise(path))


NAMES = st.sampled_from(["a", "b", "1", "2", "3", "a-b", "x" * 40])
DURATIONS = st.from_regex(r"([0-9]{1,14}(\.[0-9])?(ms|s|m|h)){1,2}", fullmatch=True).filter(
    lambda text: len(text) <= 32
)
CONDITIONS = st.lists(st.just({"type": "t", "description": "d"}), max_size=1)
SCALE = st.fixed_dictionaries(
    {"deployment": st.just("web"), "replicas": st.integers(0, 1000)},
    optional={"namespace": st.sampled_from(["", "default", "kube-system"])},
)
WAIT = st.fixed_dictionaries(
    {
        "targetResource": st.fixed_dictionaries(
            {"kind": st.text(min_size=1, max_size=63), "name": st.just("web")},
            optional={"namespace": st.sampled_from(["", "other"])},
        ),
        "condition": st.text(min_size=1, max_size=128),
    }
)
PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        "scaleDeployment": SCALE,
        "restartDeployment": st.just({"deployment": "web", "namespace": "other"}),
        "waitForCondition": WAIT,
        "notifyOnly": st.just({"message": "hi"}),
    },
)
STEPS = st.fixed_dictionaries(
    {"name": NAMES},
    optional={
        "stepNumber": st.integers(1, 1000) | st.integers(1, 3),
        "action": st.text(max_size=64)
        | st.sampled_from(["ScaleDeployment", "wait-for-condition", "notify_only", ""]),
        "parameters": PARAMETERS,
        "dependsOn": st.lists(NAMES, max_size=20),
        "timeout": DURATIONS,
        "retryPolicy": st.fixed_dictionaries(
            {}, optional={"maxRetries": st.integers(0, 5), "maxDelay": DURATIONS}
        ),
        "rollback": st.just({"action": "", "parameters": {}}),
        "criticalStep": st.booleans(),
        "preConditions": CONDITIONS,
        "postConditions": CONDITIONS,
        "runIf": st.text(max_size=10),
        "skipIf": st.text(max_size=10),
        "requiresApproval": st.booleans(),
        "targetCluster": st.text(max_size=63),
    },
)
SPECS = st.fixed_dictionaries(
    {
        "workflowDefinition": st.fixed_dictionaries(
            {"steps": st.lists(STEPS, min_size=1, max_size=6)},
            optional={
                "name": st.text(max_size=20),
                "dependencies": st.dictionaries(
                    NAMES | st.just("a: b") | st.text(max_size=5),
                    st.lists(NAMES, max_size=20),
                    max_size=5,
                ),
            },
        )
    },
    optional={
        "executionStrategy": st.fixed_dictionaries(
            {},
            optional={
                "mode": st.sampled_from(["parallel", "sequential"]),
                "maxParallelSteps": st.integers(1, 100),
                "maxRetries": st.none() | st.integers(0, 5),
                "onInFlight": st.sampled_from(["wait", "cancel"]),
            },
        ),
        "deadline": DURATIONS,
        "adaptiveOrchestration": st.just({}) | st.just({"dynamicStepAdjustment": True}),
        "conditionOverrides": st.just({"x": {}}),
    },
)


@given(SPECS)
def test_validate_answers_whatever_can_be_decoded(raw: dict[str, Any]) -> None:
    spec = msgspec.convert(raw, WorkflowSpec)
    workflow = msgspec.structs.replace(make_workflow([]), spec=spec)

    defects = validate(workflow)

    assert all(defect.path.startswith("spec.") and defect.message for defect in defects)
    assert not any(": " in defect.path for defect in defects)
    assert defects == validate(workflow)
    if not defects:
        assert make_plan(workflow).order


def _with_map(workflow: WorkflowExecution, needs: dict[str, list[str]]) -> WorkflowExecution:
    definition = msgspec.structs.replace(workflow.spec.workflow_definition, dependencies=needs)
    spec = msgspec.structs.replace(workflow.spec, workflow_definition=definition)
    return msgspec.structs.replace(workflow, spec=spec)
