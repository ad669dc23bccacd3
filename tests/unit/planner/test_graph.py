"""The graph of steps: direction, both ways of naming needs, levels and cycles."""

from collections.abc import Mapping, Sequence

import msgspec
import pytest

from services.planner.core.graph import batches, build_graph, cycles, dependencies
from shared.api.workflow_spec import WorkflowDefinition
from tests.support.builders import diamond, notify_step


def definition(
    needs: Mapping[str, Sequence[str]], *, mapped: Mapping[str, Sequence[str]] | None = None
) -> WorkflowDefinition:
    return WorkflowDefinition(
        steps=[notify_step(name, needs=needed) for name, needed in needs.items()],
        dependencies={name: list(needed) for name, needed in (mapped or {}).items()},
    )


def test_both_ways_of_naming_needs_are_merged_by_number_without_repeats() -> None:
    given = definition(
        {"z": [], "b": [], "a": [], "last": ["a", "2"]}, mapped={"last": ["b", "z", "a"]}
    )

    assert dependencies(given)["last"] == ("z", "b", "a")


def test_unknown_names_come_last_and_get_no_edge() -> None:
    given = definition({"a": [], "b": ["nowhere", "a", "7"]})

    assert dependencies(given)["b"] == ("a", "7", "nowhere")
    assert list(build_graph(given).edges) == [("a", "b")]


def test_a_step_named_like_a_number_is_meant_by_its_name() -> None:
    assert dependencies(definition({"2": [], "b": ["2"]}))["b"] == ("2",)


def test_edges_run_from_the_dependency_to_the_step() -> None:
    graph = build_graph(WorkflowDefinition(steps=diamond()))

    assert sorted(graph.edges) == [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]


def test_ties_within_a_batch_go_by_step_number() -> None:
    steps = [
        msgspec.structs.replace(notify_step(name), step_number=number)
        for name, number in (("a", 30), ("b", 10), ("c", 20))
    ]
    graph = build_graph(WorkflowDefinition(steps=steps))

    assert batches(graph, {"a": 30, "b": 10, "c": 20}) == [["b", "c", "a"]]


@pytest.mark.parametrize(
    ("needs", "expected"),
    [
        pytest.param({"a": [], "b": ["a"]}, [], id="none in a chain"),
        pytest.param({"a": ["a"]}, [["a", "a"]], id="a step that needs itself"),
        pytest.param({"a": ["b"], "b": ["a"]}, [["a", "b", "a"]], id="two steps"),
        pytest.param(
            {"a": ["c"], "b": ["a"], "c": ["b"]}, [["a", "b", "c", "a"]], id="three steps"
        ),
        pytest.param(
            {"a": ["d"], "b": ["a", "c"], "c": ["b"], "d": ["c"]},
            [["b", "c", "b"]],
            id="the shortest of a group",
        ),
        pytest.param(
            {"d": ["c"], "c": ["d"], "b": ["a"], "a": ["b"]},
            [["d", "c", "d"], ["b", "a", "b"]],
            id="one per group, in the order of the steps",
        ),
        pytest.param(
            {"a": ["b", "a"], "b": ["a"]},
            [["a", "a"], ["a", "b", "a"]],
            id="a self-dependency within a group",
        ),
    ],
)
def test_cycles(needs: dict[str, list[str]], expected: list[list[str]]) -> None:
    assert cycles(build_graph(definition(needs))) == expected
