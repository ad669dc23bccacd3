"""At most five steps of a workflow at once; what waits starts in plan order.

Three workflows run side by side, once; each test looks at what was noted of that run. Each
step waits for a Deployment of its own: the run says when it ends.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.control import claimed, executions, in_phase, release, step_names
from tests.support.kubectl import Kubectl, Object, eventually
from tests.support.namespaces import empty_namespace
from tests.support.watching import ExecutionWatch
from tests.support.workflows import notify, wait_available, workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

LIMIT: Final = 5
SIZES: Final = {"seven": 7, "eight": 8, "ten": 10}

pytestmark = pytest.mark.usefixtures("module_services")


@dataclass
class Run:
    """What was noted of the workflows, by their names."""

    created: dict[str, list[str]] = field(default_factory=dict)
    """Steps in the order in which their executions appeared."""
    most: dict[str, int] = field(default_factory=dict)
    """Executions that were unfinished at the same time."""
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Active and queued steps once no more could start."""
    together: int = 0
    """Unfinished executions of all workflows at that time."""
    moves: list[tuple[int, list[str]]] = field(default_factory=list)
    """Of the ten: how many were active after some had ended, and which ones started then."""
    done: dict[str, Object] = field(default_factory=dict)


@pytest.fixture(scope="module")
def space(cluster: "LocalCluster") -> Kubectl:
    """Kubectl in the namespace of this module."""
    return empty_namespace(cluster, "parallelism")


@pytest.fixture(scope="module")
def run(space: Kubectl, module_services: object) -> Run:
    """Run all three to their end."""
    del module_services
    noted = Run()
    with ExitStack() as stack:
        watches = {
            name: stack.enter_context(ExecutionWatch(space, workflow=name)) for name in SIZES
        }
        for name, size in SIZES.items():
            steps = [wait_available(step, f"{name}-{step}") for step in names(size)]
            space.apply(workflow(name, steps))
        _until(watches.values(), lambda: all(len(w.created) == LIMIT for w in watches.values()))
        noted.together = sum(len(watch.unfinished()) for watch in watches.values())
        for name in SIZES:
            status = space.get("wfe", name)["status"]
            noted.counts[name] = (status["activeSteps"], status["queuedSteps"])
        for ended in (["s1", "s3"], ["s0"]):
            noted.moves.append(_move_on(space, watches["ten"], ended))
        for name, size in SIZES.items():
            release(space, *(f"{name}-{step}" for step in names(size)))
        noted.done = {name: space.wait_phase(name, "Completed", "Failed") for name in SIZES}
    noted.created = {name: watch.created for name, watch in watches.items()}
    noted.most = {name: max(watch.samples) for name, watch in watches.items()}
    return noted


def names(size: int) -> list[str]:
    """Return the names of so many steps, in plan order."""
    return [f"s{number}" for number in range(size)]


def test_row_25_sequential_execution(space: Kubectl) -> None:
    body = workflow("in-turn", [notify(step) for step in names(3)])
    body["spec"]["executionStrategy"] = {"mode": "sequential"}
    space.apply(body)
    space.wait_phase("in-turn", "Completed", "Failed")

    found = executions(space, "in-turn")

    assert step_names(found) == names(3)
    for before, after in pairwise(found):
        created = [each["metadata"]["creationTimestamp"] for each in (before, after)]
        assert created == sorted(created)
        assert before["status"]["completionTime"] <= after["status"]["startTime"]


def test_row_26_parallel_by_default(space: Kubectl) -> None:
    space.apply(workflow("three", [wait_available(step, "three") for step in names(3)]))

    for step in names(3):
        claimed(space, "three", step)

    in_phase(space, "three", s0="Running", s1="Running", s2="Running")
    release(space, "three")
    space.wait_phase("three", "Completed")


def test_row_27_never_above_five(run: Run) -> None:
    assert run.most == dict.fromkeys(SIZES, LIMIT)
    for name, size in SIZES.items():
        assert run.done[name]["status"]["phase"] == "Completed"
        assert run.done[name]["status"]["completedSteps"] == size
        assert sorted(run.created[name]) == names(size)


def test_row_28_slots_respect_what_is_active(run: Run) -> None:
    active, started = run.moves[0]

    assert active == LIMIT
    assert len(started) == 2


def test_row_29_what_waits_starts_in_plan_order(run: Run) -> None:
    assert all(set(created[:LIMIT]) == set(names(LIMIT)) for created in run.created.values())
    assert [set(started) for _, started in run.moves] == [{"s5", "s6"}, {"s7"}]


def test_row_30_exact_active_and_queued_steps(run: Run) -> None:
    assert run.counts == {"seven": (5, 2), "eight": (5, 3), "ten": (5, 5)}
    for done in run.done.values():
        assert (done["status"]["activeSteps"], done["status"]["queuedSteps"]) == (0, 0)


def test_row_33_tokens_are_not_shared_by_workflows(run: Run) -> None:
    assert run.together == LIMIT * len(SIZES)


def _move_on(
    kubectl: Kubectl, watch: ExecutionWatch, ended: Sequence[str]
) -> tuple[int, list[str]]:
    """Let steps of the ten end; return how many are active then, and which ones started."""
    before = len(watch.created)
    release(kubectl, *(f"ten-{step}" for step in ended))
    _until([watch], lambda: len(watch.created) == before + len(ended))
    _until([watch], lambda: len(watch.unfinished()) == LIMIT)
    return len(watch.unfinished()), watch.created[before:]


def _until(watches: Iterable[ExecutionWatch], holds: Callable[[], bool]) -> None:
    shown = list(watches)
    eventually(lambda: {"created": [watch.created for watch in shown]}, lambda _: holds())
