"""Whoever is late, held up or killed: the ledger holds, and every run ends as it must."""

import os
from dataclasses import replace
from typing import Final

import msgspec
import pytest
from hypothesis import Phase as HPhase
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.api.enums import (
    TERMINAL_PHASES,
    Control,
    ErrorType,
    ExecutionKind,
    Phase,
    RollbackType,
    StepPhase,
)
from tests.support.builders import make_workflow, planned
from tests.support.simulation.happenings import (
    ACTORS,
    ALL_STOPS,
    Answer,
    Ask,
    Event,
    Limit,
    Move,
    Parallelism,
    Pass,
    Reopen,
    Resume,
)
from tests.support.simulation.laws import (
    check_attempts,
    check_end,
    check_history,
    check_now,
    check_people,
    check_quiet,
    check_undone,
    completed,
    skipped,
)
from tests.support.simulation.runs import CALM, DELETES, WITH_ALL, WITH_PEOPLE, Case, cases
from tests.support.simulation.world import World

LAWS: Final = 6
EXAMPLES: Final = int(os.environ.get("RUNS", "2000")) // LAWS
"""Runs of each law; `make test-property RUNS=20000` draws more."""
pytestmark = pytest.mark.timeout(300 + EXAMPLES)
ROUNDS_PER_STEP: Final = 6
"""More than a step needs when nothing goes wrong any more."""
LONGEST_RETRY_S: Final = 60


@settings(max_examples=EXAMPLES)
@given(case=cases())
def test_every_run_keeps_the_ledger_and_ends_as_it_must(case: Case) -> None:
    world = lived(case)

    attempts = [(e.spec.step_name, e.spec.attempt, e.spec.kind) for e in world.created]
    assert len(attempts) == len(set(attempts))
    assert not any(e.spec.kind is ExecutionKind.SETTLE for e in world.created)
    assert not world.unfinished()
    check_end(world, case)


@settings(max_examples=EXAMPLES)
@given(case=cases(verified=True))
def test_a_run_goes_on_only_after_what_was_verified(case: Case) -> None:
    world = lived(case)

    assert not world.unfinished()
    check_end(world, case)
    for step in world.workflow.status.steps:
        missed = [each.required for each in step.post_condition_results if not each.passed]
        assert (step.error_type is ErrorType.POSTCONDITION_FAILED) == any(missed)
        assert not missed or f"verify {step.name}" in case.failing


@settings(max_examples=EXAMPLES)
@given(case=cases(moves=CALM | DELETES))
def test_a_run_survives_a_person_who_deletes_executions(case: Case) -> None:
    world = lived(case)

    status = world.workflow.status
    failed = {step.name for step in status.steps if step.phase is StepPhase.FAILED}
    assert status.phase in TERMINAL_PHASES
    assert not status.tokens
    assert not any(each.is_claimed for each in world.unfinished())
    assert failed <= case.failing | world.deleted
    effects = {effect for effect in world.done if not effect.startswith("undo ")}
    assert completed(world) <= effects
    assert effects - completed(world) <= world.recreated & skipped(world)


@settings(
    max_examples=EXAMPLES,
    phases=[HPhase.explicit, HPhase.reuse, HPhase.generate, HPhase.shrink],
    report_multiple_bugs=False,
)
@given(case=cases(moves=WITH_PEOPLE))
def test_a_run_follows_whatever_people_ask_of_it(case: Case) -> None:
    world = lived(case)

    status = world.workflow.status
    assert status.phase in TERMINAL_PHASES
    assert not status.tokens
    assert not any(each.is_claimed for each in world.unfinished())
    assert status.control is None or status.control.verb is world.workflow.spec.control
    # What ran longer than it may was judged before it said that it was done.
    assert completed(world) <= set(world.done)
    attempts = [(e.spec.step_name, e.spec.attempt, e.spec.kind) for e in world.created]
    assert len(attempts) == len(set(attempts))
    check_attempts(world)
    check_people(world)


@settings(
    max_examples=EXAMPLES,
    phases=[HPhase.explicit, HPhase.reuse, HPhase.generate, HPhase.shrink],
    report_multiple_bugs=False,
)
@given(case=cases(moves=WITH_ALL))
def test_a_run_survives_people_who_ask_and_people_who_delete(case: Case) -> None:
    world = lived(case)

    status = world.workflow.status
    assert status.phase in TERMINAL_PHASES
    assert not status.tokens
    assert not any(each.is_claimed for each in world.unfinished())
    assert completed(world) <= set(world.done)
    check_attempts(world)
    check_people(world)


@settings(max_examples=EXAMPLES)
@given(case=cases(), choice=st.integers(0, 6), moves=st.lists(CALM, max_size=30))
def test_a_degraded_run_goes_back_to_the_step_that_a_person_names(
    case: Case, choice: int, moves: list[Event]
) -> None:
    steps = [msgspec.structs.replace(step, critical_step=True) for step in case.steps]
    failing = case.failing | {steps[-1].name}
    world = lived(replace(case, steps=steps, strategy=RollbackType.MANUAL, failing=failing))
    waiting, done = world.workflow.status, sorted(completed(world))
    assert waiting.phase is Phase.DEGRADED
    assume(done)
    to = done[choice % len(done)]

    live_on(world, [Ask(Control.ROLLBACK, to), *moves, *until_the_end(case)])

    rollback = world.workflow.status.rollback
    assert rollback is not None
    assert world.workflow.status.phase in {Phase.ROLLED_BACK, Phase.ROLLBACK_FAILED}
    assert rollback.kept[0] == to
    assert completed(world) == {step.name for step in rollback.steps} | set(rollback.kept)


def lived(case: Case) -> World:
    """Return the world after all moves, and after enough others for everything to end."""
    workflow = planned(make_workflow(case.steps, rollback=case.strategy))
    world = World(workflow, limit=case.limit, failing=case.failing, flaky=case.flaky)
    people = bool(case.flaky) or any(
        isinstance(m, Ask | Answer | Reopen | Limit | Parallelism | Pass) for m in case.moves
    )
    end: list[Event] = [Ask(Control.RESUME)] if people else []
    moves = [*case.moves, *end, *until_the_end(case)]
    if case.again:
        moves += [Ask(Control.RETRY), *case.again, *end, *until_the_end(case)]
    return live_on(world, moves)


def until_the_end(case: Case) -> list[Event]:
    """Return moves enough for everything to end when nothing goes wrong any more."""
    executors = [Move("executor", ALL_STOPS, choice) for choice in range(3)]
    others = [Move(actor, ALL_STOPS) for actor in ACTORS]
    calm: list[Event] = [Resume(0, 1), *others, *executors, Answer(0, approves=True)]
    calm += [Pass(LONGEST_RETRY_S)] if case.flaky else []
    calm += [Pass(1)] if any(step.post_conditions for step in case.steps) else []
    return calm * (ROUNDS_PER_STEP * (2 * len(case.steps) + 1))


def live_on(world: World, moves: list[Event]) -> World:
    """Make the moves, with an eye on what must always hold."""
    for move in moves:
        world.make(move)
        check_now(world)
    check_history(world)
    check_undone(world)
    check_quiet(world)
    return world
