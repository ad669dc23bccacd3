"""Whatever is late, lost or killed: the ledger holds, and every run ends as it must."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.api.enums import (
    TERMINAL_PHASES,
    ExecutionKind,
    Phase,
    RollbackType,
    StepPhase,
)
from shared.api.workflow_spec import Step
from shared.workflow.graph import dependencies
from shared.workflow.transitions import is_legal
from tests.support.builders import make_workflow, planned, scale_step
from tests.support.simulation import ACTORS, World

EXAMPLES: Final = 400
ROUNDS_PER_STEP: Final = 12
"""More than a step needs when nothing goes wrong any more."""


@dataclass(frozen=True)
class Case:
    """A workflow, what will fail, and who moves when."""

    steps: list[Step]
    strategy: RollbackType
    limit: int
    failing: frozenset[str]
    moves: list[tuple[str, int, bool, int]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    names = [f"s{number}" for number in range(draw(st.integers(1, 7)))]
    steps = [
        scale_step(
            name,
            needs=draw(st.lists(st.sampled_from(names[:position]), unique=True, max_size=3))
            if position
            else [],
            critical=draw(st.integers(0, 3)) > 0,
        )
        for position, name in enumerate(names)
    ]
    may_fail = [*names, *(f"undo {name}" for name in names)]
    move = st.tuples(st.sampled_from(ACTORS), st.integers(0, 4), st.booleans(), st.integers(0, 6))
    return Case(
        steps=steps,
        strategy=draw(st.sampled_from(RollbackType)),
        limit=draw(st.integers(1, 5)),
        failing=draw(st.frozensets(st.sampled_from(may_fail), max_size=3)),
        moves=draw(st.lists(move, max_size=60)),
    )


@settings(max_examples=EXAMPLES)
@given(case=cases())
def test_every_run_keeps_the_ledger_and_ends_as_it_must(case: Case) -> None:
    workflow = planned(make_workflow(case.steps, rollback=case.strategy))
    world = World(workflow, limit=case.limit, failing=case.failing)

    for actor, age, dies, choice in case.moves:
        world.move(actor, age=age, dies=dies, choice=choice)
        check_now(world)
    for _ in range(ROUNDS_PER_STEP * len(case.steps)):
        for actor in ACTORS:
            world.move(actor)
            check_now(world)

    check_history(world)
    check_end(world, case)


def check_now(world: World) -> None:
    """What holds at every moment."""
    forward = [e for e in world.unfinished() if e.spec.kind is ExecutionKind.FORWARD]
    undoing = [e for e in world.unfinished() if e.spec.kind is ExecutionKind.ROLLBACK]
    assert len(world.workflow.status.tokens) <= world.limit
    assert len(forward) <= world.limit
    assert len(undoing) <= 1
    assert not (forward and undoing)


def check_history(world: World) -> None:
    """What holds between one version and the next, and for whatever was created."""
    needs = dependencies(world.workflow.spec.workflow_definition)
    for before, after in zip(world.versions, world.versions[1:], strict=False):
        old, new = before.status, after.status
        assert is_legal(old.phase, new.phase)
        assert new.progress >= old.progress
        assert new.last_fence >= old.last_fence
        granted = new.tokens.keys() - old.tokens.keys()
        done = {s.name for s in old.steps if s.phase is StepPhase.COMPLETED}
        assert all(set(needs[name]) <= done for name in granted)
        if any(s.phase is StepPhase.FAILED and _is_critical(world, s.name) for s in old.steps):
            assert not granted
        assert new.active_steps == len(new.tokens)
    attempts = [(e.spec.step_name, e.spec.attempt, e.spec.kind) for e in world.created]
    assert len(attempts) == len(set(attempts))
    assert _fences(world) == sorted(_fences(world))
    assert world.started_too_late == []


def check_end(world: World, case: Case) -> None:
    """The end follows from what failed, whoever moved when."""
    status = world.workflow.status
    assert status.phase in TERMINAL_PHASES
    assert not status.tokens
    assert not world.unfinished()
    failed = [s for s in status.steps if s.phase is StepPhase.FAILED]
    critical = [s for s in failed if _is_critical(world, s.name)]
    assert {s.name for s in failed} <= case.failing
    if not critical:
        assert status.phase is Phase.COMPLETED
        assert status.progress == 100
        assert status.rollback is None
        return
    undone = [e.spec.step_name for e in world.created if e.spec.kind is ExecutionKind.ROLLBACK]
    if case.strategy is not RollbackType.AUTOMATIC:
        manual = case.strategy is RollbackType.MANUAL
        assert status.phase is (Phase.DEGRADED if manual else Phase.FAILED)
        assert undone == []
        return
    assert sorted(undone) == sorted(world.ended)
    assert _is_reverse(world, undone)
    broken = any(f"undo {name}" in case.failing for name in undone)
    assert status.phase is (Phase.ROLLBACK_FAILED if broken else Phase.ROLLED_BACK)


def _is_critical(world: World, name: str) -> bool:
    steps = world.workflow.spec.workflow_definition.steps
    return next(step.critical_step for step in steps if step.name == name)


def _fences(world: World) -> list[int]:
    return [e.spec.fence for e in world.created if e.spec.kind is ExecutionKind.ROLLBACK]


def _is_reverse(world: World, undone: Sequence[str]) -> bool:
    """Return whether no step is undone before one that needed it."""
    needs = dependencies(world.workflow.spec.workflow_definition)
    position = {name: number for number, name in enumerate(undone)}
    return all(
        position[name] < position[need]
        for name in undone
        for need in needs[name]
        if need in position
    )
