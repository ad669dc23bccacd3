"""Whoever is late, held up or killed: the ledger holds, and every run ends as it must."""

from dataclasses import dataclass
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.api.enums import (
    SETTLED_STEP_PHASES,
    TERMINAL_PHASES,
    ExecutionKind,
    ExecutionPhase,
    Phase,
    RollbackType,
    StepPhase,
)
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Step
from shared.workflow.graph import dependencies
from shared.workflow.transitions import is_legal
from tests.support.builders import NOW, make_workflow, planned, scale_step
from tests.support.simulation import ACTORS, Delete, Move, Resume, World

EXAMPLES: Final = 400
ALL_STOPS: Final = 50
ROUNDS_PER_STEP: Final = 6
"""More than a step needs when nothing goes wrong any more."""


@dataclass(frozen=True)
class Case:
    """A workflow, what will fail, and who moves when."""

    steps: list[Step]
    strategy: RollbackType
    limit: int
    failing: frozenset[str]
    moves: list[Move | Resume | Delete]


STARTS = st.builds(Move, st.sampled_from(ACTORS), st.integers(1, 8), st.integers(0, 6))
RESUMES = st.builds(Resume, st.integers(0, 6), st.integers(1, 8), st.booleans())
DELETES = st.builds(Delete, st.integers(0, 6), st.booleans())


@st.composite
def cases(draw: st.DrawFn, *, with_deletes: bool = False) -> Case:
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
    moves = STARTS | STARTS | RESUMES | DELETES if with_deletes else STARTS | STARTS | RESUMES
    count = draw(st.integers(0, 80))  # left to itself, a list has five members on average
    return Case(
        steps=steps,
        strategy=draw(st.sampled_from(RollbackType)),
        limit=draw(st.integers(1, 5)),
        failing=draw(st.frozensets(st.sampled_from(may_fail), max_size=3)),
        moves=draw(st.lists(moves, min_size=count, max_size=count)),
    )


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
@given(case=cases(with_deletes=True))
def test_a_run_survives_a_person_who_deletes_executions(case: Case) -> None:
    world = lived(case)

    status = world.workflow.status
    failed = {step.name for step in status.steps if step.phase is StepPhase.FAILED}
    assert status.phase in TERMINAL_PHASES
    assert not status.tokens
    assert not any(each.is_claimed for each in world.unfinished())
    assert failed <= case.failing | world.deleted
    assert {effect for effect in world.done if not effect.startswith("undo ")} == completed(world)


def lived(case: Case) -> World:
    """Return the world after all moves, and after enough others for everything to end."""
    workflow = planned(make_workflow(case.steps, rollback=case.strategy))
    world = World(workflow, limit=case.limit, failing=case.failing)
    executors = [Move("executor", ALL_STOPS, choice) for choice in range(3)]
    others = [Move(actor, ALL_STOPS) for actor in ACTORS]
    calm: list[Move | Resume | Delete] = [Resume(0, 1), *others, *executors]
    for move in [*case.moves, *calm * ROUNDS_PER_STEP * (2 * len(case.steps) + 1)]:
        world.make(move)
        check_now(world)
    check_history(world)
    return world


def check_now(world: World) -> None:
    """What holds at every moment."""
    assert world.wrong == []
    held = [e for e in world.unfinished() if e.is_claimed]
    forward = [e for e in held if e.spec.kind is not ExecutionKind.ROLLBACK]
    undoing = [e for e in held if e.spec.kind is ExecutionKind.ROLLBACK]
    assert len(world.workflow.status.tokens) <= world.limit
    assert len(forward) <= world.limit
    assert {e.spec.step_name for e in forward} <= world.workflow.status.tokens.keys()
    assert len(undoing) <= 1
    assert not (forward and undoing)


def check_history(world: World) -> None:
    """What holds between one version and the next, and for whatever was created."""
    for before, after in zip(world.versions, world.versions[1:], strict=False):
        old, new = before.status, after.status
        assert is_legal(old.phase, new.phase)
        assert new.progress >= old.progress
        assert new.last_fence >= old.last_fence
        assert new.active_steps == len(new.tokens)
        check_grants(world, before, after)
        check_releases(world, before, after)
    fences = [e.spec.fence for e in world.created if e.spec.kind is ExecutionKind.ROLLBACK]
    assert fences == sorted(fences)


def check_grants(world: World, before: WorkflowExecution, after: WorkflowExecution) -> None:
    """Who was granted had what it needs, came first in the plan, and no failure before it."""
    needs = dependencies(before.spec.workflow_definition)
    old, new = before.status, after.status
    done = {step.name for step in old.steps if step.phase is StepPhase.COMPLETED}
    waiting = {step.name for step in old.steps if step.phase is StepPhase.PENDING}
    assert old.execution_plan is not None
    ready = [n for n in old.execution_plan.order if n in waiting and set(needs[n]) <= done]
    granted = sorted(new.tokens.keys() - old.tokens.keys(), key=lambda n: new.tokens[n].fence)
    assert granted == ready[: len(granted)]
    if any(step.phase is StepPhase.FAILED and is_critical(world, step.name) for step in old.steps):
        assert not granted


def check_releases(world: World, before: WorkflowExecution, after: WorkflowExecution) -> None:
    """A token goes when its step is judged, or may be passed on when its execution completed."""
    released = before.status.tokens.keys() - after.status.tokens.keys()
    judged = {step.name for step in after.status.steps if step.phase in SETTLED_STEP_PHASES}
    ended = {
        each.spec.step_name
        for each in world.executions.values()
        if each.status.phase is ExecutionPhase.COMPLETED
    }
    assert released <= judged | ended


def check_end(world: World, case: Case) -> None:
    """The end follows from what failed, whoever moved when."""
    status = world.workflow.status
    assert status.phase in TERMINAL_PHASES
    assert not status.tokens
    failed = {step.name for step in status.steps if step.phase is StepPhase.FAILED}
    assert failed <= case.failing
    undone = [e.spec.step_name for e in world.created if e.spec.kind is ExecutionKind.ROLLBACK]
    forward = [effect for effect in world.done if not effect.startswith("undo ")]
    assert set(forward) == completed(world)
    if not any(is_critical(world, name) for name in failed):
        assert status.phase is Phase.COMPLETED
        assert status.progress == 100
        assert status.rollback is None
        return
    if case.strategy is not RollbackType.AUTOMATIC:
        manual = case.strategy is RollbackType.MANUAL
        assert status.phase is (Phase.DEGRADED if manual else Phase.FAILED)
        assert undone == []
        return
    ended = {step.name: step.completion_time or NOW for step in status.steps}
    assert undone == sorted(forward, key=lambda n: (depth(world, n), ended[n]), reverse=True)
    broken = any(f"undo {name}" in case.failing for name in undone)
    assert status.phase is (Phase.ROLLBACK_FAILED if broken else Phase.ROLLED_BACK)


def completed(world: World) -> set[str]:
    """Return the steps that were judged completed."""
    steps = world.workflow.status.steps
    return {step.name for step in steps if step.phase is StepPhase.COMPLETED}


def is_critical(world: World, name: str) -> bool:
    steps = world.workflow.spec.workflow_definition.steps
    return next(step.critical_step for step in steps if step.name == name)


def depth(world: World, name: str) -> int:
    """Return how many steps stand before one, on the longest way."""
    needs = dependencies(world.workflow.spec.workflow_definition)[name]
    return 1 + max((depth(world, need) for need in needs), default=-1)
