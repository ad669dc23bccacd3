"""Runs of a workflow at random: its steps, what will fail, and who moves when."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
from hypothesis import strategies as st

from shared.api.enums import Control, RollbackType
from shared.api.workflow_spec import RetryPolicy, Step
from tests.support.builders import scale_step
from tests.support.simulation.happenings import (
    ACTORS,
    Answer,
    Ask,
    Delete,
    Event,
    Limit,
    Move,
    Parallelism,
    Pass,
    Reopen,
    Resume,
)
from tests.support.verifying import condition


@dataclass(frozen=True)
class Case:
    """A workflow, what will fail, and who moves when."""

    steps: list[Step]
    strategy: RollbackType
    limit: int
    failing: frozenset[str]
    moves: list[Event]
    flaky: Mapping[str, int] = field(default_factory=dict)
    again: list[Event] = field(default_factory=list)
    """Who moves after the end, when a person has asked for a retry."""


STARTS = st.builds(Move, st.sampled_from(ACTORS), st.integers(1, 8), st.integers(0, 6))
RESUMES = st.builds(Resume, st.integers(0, 6), st.integers(1, 8), st.booleans())
DELETES = st.builds(Delete, st.integers(0, 6), st.booleans())
PEOPLE = (
    st.builds(Ask, st.sampled_from([*Control, None]))
    | st.builds(Ask, st.just(Control.ROLLBACK), st.sampled_from(["s0", "s1", "s2", "s9"]))
    | st.builds(Answer, st.integers(0, 6), st.integers(0, 3).map(bool))
    | st.builds(Reopen)
    | st.builds(Limit, st.integers(1, 5))
    | st.builds(Parallelism, st.integers(1, 5) | st.none())
    | st.builds(Pass, st.sampled_from([1, 30, 60, 601]))
)
CALM = STARTS | STARTS | RESUMES
WITH_PEOPLE = STARTS | STARTS | STARTS | RESUMES | PEOPLE
WITH_ALL = WITH_PEOPLE | DELETES


@st.composite
def cases(
    draw: st.DrawFn, *, moves: st.SearchStrategy[Event] = CALM, verified: bool = False
) -> Case:
    """Return a workflow of a few steps; with people, some of them time out or wait for approval."""
    names = [f"s{number}" for number in range(draw(st.integers(1, 7)))]
    people = moves in {WITH_PEOPLE, WITH_ALL}
    steps = [draw(drawn_steps(names, position, people=people)) for position in range(len(names))]
    may_fail = [*names, *(f"undo {name}" for name in names)]
    if verified:
        steps = [draw(drawn_conditions(step)) for step in steps]
        may_fail += [f"verify {name}" for name in names]
    count = draw(st.integers(0, 80))  # left to itself, a list has five members on average
    return Case(
        steps=steps,
        strategy=draw(st.sampled_from(RollbackType)),
        limit=draw(st.integers(1, 5)),
        failing=draw(st.frozensets(st.sampled_from(may_fail), max_size=3)),
        moves=draw(st.lists(moves, min_size=count, max_size=count)),
        flaky=draw(st.dictionaries(st.sampled_from(names), st.integers(1, 3), max_size=2))
        if people
        else {},
        again=draw(st.just([]) | st.lists(moves, min_size=20, max_size=40)) if people else [],
    )


@st.composite
def drawn_steps(draw: st.DrawFn, names: list[str], position: int, *, people: bool) -> Step:
    """Return a step that needs some of those before it."""
    earlier = st.lists(st.sampled_from(names[:position]), unique=True, max_size=3)
    step = scale_step(
        names[position],
        needs=draw(earlier) if position else [],
        critical=draw(st.integers(0, 3)) > 0,
    )
    if not people:
        return step
    retries = draw(st.integers(0, 3))
    return msgspec.structs.replace(
        step,
        requires_approval=draw(st.integers(0, 5)) == 0,
        retry_policy=RetryPolicy(max_retries=retries) if retries else None,
    )


@st.composite
def drawn_conditions(draw: st.DrawFn, step: Step) -> Step:
    """Return the step with postconditions, or without."""
    required = draw(st.lists(st.integers(0, 2).map(bool), max_size=2))
    found = [
        condition(f"c{place}", required=each, timeout="3s") for place, each in enumerate(required)
    ]
    return msgspec.structs.replace(step, post_conditions=found)
