"""Whoever is held up or killed where: no ceiling is exceeded, and no slot is lost for good."""

import logging
from collections.abc import Iterator
from typing import Final

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import virtual_time
from tests.support.ceilings import (
    NAMES,
    Delete,
    Finish,
    Kill,
    Limit,
    Move,
    Pass,
    Start,
    Touch,
    World,
)

EXAMPLES: Final = 100
WORKFLOWS: Final = st.integers(0, len(NAMES) - 1)
STOPS: Final = st.integers(1, 30)
STARTS = st.builds(Start, WORKFLOWS, STOPS)
PASSES = st.builds(Pass, st.integers(0, 20), STOPS)
MOVES = (
    STARTS
    | STARTS
    | PASSES
    | PASSES
    | st.builds(Kill, st.integers(0, 20))
    | st.builds(Finish, st.integers(0, 20))
    | st.builds(Touch, WORKFLOWS)
)
CHANGES = MOVES | st.builds(Limit, st.integers(0, 1), st.integers(1, 4))
DELETIONS = CHANGES | st.builds(Delete, WORKFLOWS)


@pytest.fixture(autouse=True, scope="module")
def _silence() -> Iterator[None]:
    quiet = structlog.make_filtering_bound_logger(logging.CRITICAL)
    structlog.configure(wrapper_class=quiet)
    yield
    structlog.reset_defaults()


@st.composite
def moves(draw: st.DrawFn, kinds: st.SearchStrategy[Move]) -> list[Move]:
    count = draw(st.integers(0, 60))
    return draw(st.lists(kinds, min_size=count, max_size=count))


@settings(max_examples=EXAMPLES)
@given(history=moves(MOVES), limits=st.tuples(st.integers(1, 4), st.integers(1, 4)))
def test_no_ceiling_is_ever_exceeded(history: list[Move], limits: tuple[int, int]) -> None:
    world = virtual_time.run(lived(history, limits))

    assert world.most["a"] <= limits[0]
    assert world.most[""] <= limits[1]
    assert set(world.phases().values()) == {"Completed"}


@settings(max_examples=EXAMPLES)
@given(history=moves(DELETIONS), limits=st.tuples(st.integers(1, 4), st.integers(1, 4)))
def test_no_slot_is_lost_whatever_people_do(history: list[Move], limits: tuple[int, int]) -> None:
    world = virtual_time.run(lived(history, limits))

    assert set(world.phases().values()) <= {"Completed"}


async def lived(history: list[Move], limits: tuple[int, int]) -> World:
    """Make all moves, then let everybody finish in peace, then ask for every slot there is."""
    world = World(limits)
    for move in history:
        await world.make(move)
    await world.finish()
    await world.use_up()
    return world
