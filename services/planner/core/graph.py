"""The graph of steps: edges run from a dependency to the step that needs it.

Owns order, levels and cycles (requirements C6). The other direction of the edges would
reverse every plan. Nothing here iterates over a set, so the same definition gives the same
answer. Held by tests/property/test_planner.py.
"""

from collections import deque
from collections.abc import Mapping
from typing import TypeAlias

import networkx as nx

from shared.api.workflow_spec import WorkflowDefinition
from shared.workflow import graph as shared_graph
from shared.workflow.graph import step_numbers

Graph: TypeAlias = "nx.DiGraph[str]"
"""Quoted, since the class takes its parameter in the stubs only."""


def dependencies(definition: WorkflowDefinition) -> dict[str, tuple[str, ...]]:
    """Return for each step the steps it needs, by step number; unknown names come last.

    The reading itself is shared with the services that grant steps, so that nobody waits
    for anything the plan does not know.
    """
    numbers = step_numbers(definition)
    last = max(numbers.values(), default=0) + 1
    return {
        name: tuple(sorted(needs, key=lambda need: (numbers.get(need, last), need)))
        for name, needs in shared_graph.dependencies(definition).items()
    }


def build_graph(definition: WorkflowDefinition) -> Graph:
    """Return the graph of the steps; unknown names, which validation reports, have no edge."""
    graph: Graph = nx.DiGraph()
    needed = dependencies(definition)
    graph.add_nodes_from(needed)
    for name, needs in needed.items():
        graph.add_edges_from((need, name) for need in needs if need in needed)
    return graph


def cycles(graph: Graph) -> list[list[str]]:
    """Return closed paths such as `["a", "b", "a"]`, in the order of the steps.

    Each step that needs itself, and one shortest cycle of each group of steps that wait for
    each other: listing all cycles takes exponential time, and one is enough to act on.
    """
    order = {name: place for place, name in enumerate(graph)}
    found = [[name, name] for name in graph if graph.has_edge(name, name)]
    for group in nx.strongly_connected_components(graph):
        if len(group) > 1:
            members = sorted(group, key=order.__getitem__)
            found.append(_shortest_cycle(graph.subgraph(members), members))
    return sorted(found, key=lambda path: [order[name] for name in path])


def batches(graph: Graph, numbers: Mapping[str, int]) -> list[list[str]]:
    """Return the steps level by level: each as early as its dependencies allow.

    Raises:
        networkx.NetworkXUnfeasible: when the graph has a cycle; validate first.
    """
    return [
        sorted(generation, key=lambda name: (numbers[name], name))
        for generation in nx.topological_generations(graph)
    ]


def _shortest_cycle(group: Graph, members: list[str]) -> list[str]:
    paths = (_cycle_through(group, start) for start in members)
    return min(paths, key=len)


def _cycle_through(group: Graph, start: str) -> list[str]:
    """Return a shortest cycle of two steps or more through one step, breadth first."""
    came_from: dict[str, str] = {}
    waiting = deque([start])
    while start not in came_from:
        here = waiting.popleft()
        for following in group.successors(here):
            if following not in came_from and following != here:
                came_from[following] = here
                waiting.append(following)
    path = [start]
    while len(path) == 1 or path[-1] != start:
        path.append(came_from[path[-1]])
    return path[::-1]
