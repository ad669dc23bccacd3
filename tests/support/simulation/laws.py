"""What holds of a run at every moment, between two moments, and at its end."""

from itertools import pairwise

import msgspec

from shared.api.enums import (
    SETTLED_STEP_PHASES,
    TERMINAL_PHASES,
    Control,
    ErrorType,
    ExecutionKind,
    ExecutionPhase,
    Phase,
    RollbackStepPhase,
    RollbackType,
    StepPhase,
    StepReason,
)
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import WorkflowStatus
from shared.workflow.graph import dependencies
from shared.workflow.retries import policy_of
from shared.workflow.stopping import stop_reason
from shared.workflow.transitions import is_legal
from tests.support.builders import NOW
from tests.support.simulation.happenings import ACTORS, ALL_STOPS, Move
from tests.support.simulation.runs import Case
from tests.support.simulation.world import World


def check_now(world: World) -> None:
    """What holds at every moment."""
    assert world.wrong == []
    held = [e for e in world.unfinished() if e.is_claimed]
    forward = [e for e in held if e.spec.kind is not ExecutionKind.ROLLBACK]
    undoing = [e for e in held if e.spec.kind is ExecutionKind.ROLLBACK]
    assert len(world.workflow.status.tokens) <= max(world.limits)
    assert len(forward) <= max(world.limits)
    assert {e.spec.step_name for e in forward} <= world.workflow.status.tokens.keys()
    assert len(undoing) <= 1
    assert not (forward and undoing)
    steps = world.workflow.status.steps
    verified = {step.name for step in steps if step.phase is StepPhase.VERIFYING}
    assert verified <= world.workflow.status.tokens.keys()


def check_history(world: World) -> None:
    """What holds between one version and the next, and for whatever was created."""
    for place, (before, after) in enumerate(pairwise(world.versions), start=1):
        old, new = before.status, after.status
        assert is_legal(old.phase, new.phase)
        assert new.progress >= old.progress
        assert new.last_fence >= old.last_fence
        assert new.active_steps == len(new.tokens)
        if new.tokens.keys() - old.tokens.keys():
            assert len(new.tokens) <= world.limits[place]
        check_kept(before, after)
        check_grants(before, after)
        check_releases(world, before, after)
    fences = [e.spec.fence for e in world.created if e.spec.kind is ExecutionKind.ROLLBACK]
    assert fences == sorted(fences)


def check_kept(before: WorkflowExecution, after: WorkflowExecution) -> None:
    """What is done stays done, an end that was asked for stays asked for, the plan stays."""
    old, new = before.status, after.status
    assert settled(old, StepPhase.COMPLETED) <= settled(new, StepPhase.COMPLETED)
    assert undone(old) <= undone(new)
    assert new.observed_generation >= old.observed_generation
    assert new.execution_plan == old.execution_plan
    if old.control is not None and old.control.stop is not None:
        assert new.control is not None
        assert new.control.stop in {old.control.stop, Control.ROLLBACK}
    attempts = {step.name: step.attempts for step in new.steps}
    assert all(attempts[step.name] - step.attempts in {0, 1} for step in old.steps)


def check_grants(before: WorkflowExecution, after: WorkflowExecution) -> None:
    """Who was granted had what it needs, came first in the plan, and nothing stopped it."""
    needs = dependencies(before.spec.workflow_definition)
    old, new = before.status, after.status
    fresh = {
        name
        for name, token in new.tokens.items()
        if name not in old.tokens or old.tokens[name].attempt != token.attempt
    }
    granted = sorted(fresh, key=lambda name: new.tokens[name].fence)
    done = {step.name for step in old.steps if step.phase is StepPhase.COMPLETED}
    gated = {s.name for s in before.spec.workflow_definition.steps if s.requires_approval}
    again = new.control is not None and new.control.verb is Control.RETRY
    if granted:
        assert stop_reason(after) is None
        assert new.control is None or not new.control.paused
        assert stop_reason(before) is None or again
    waiting = {
        step.name
        for step in old.steps
        if step.phase in {StepPhase.PENDING, StepPhase.BLOCKED} and is_due(step, after)
    }
    assert old.execution_plan is not None
    ready = [n for n in old.execution_plan.order if n in waiting and set(needs[n]) <= done]
    if not gated and not again:
        assert granted == ready[: len(granted)]
    if granted and new.approval is not None and new.approval.required:
        assert new.approval.decision == "Approved"
    for name in granted:
        assert set(needs[name]) <= done
        if name in gated:
            assert new.approval is not None
            assert new.approval.gates[name].decision == "Approved"


def is_due(step: msgspec.Struct, after: WorkflowExecution) -> bool:
    """Return whether a step that waits to be tried again was due when it was written."""
    at = getattr(step, "next_attempt_time", None)
    stamps = [token.granted_at for token in after.status.tokens.values()]
    return at is None or (bool(stamps) and max(stamps) >= at)


def check_releases(world: World, before: WorkflowExecution, after: WorkflowExecution) -> None:
    """A token goes when its step is judged, or may be passed on when its execution completed."""
    released = before.status.tokens.keys() - after.status.tokens.keys()
    judged = {
        step.name
        for step in after.status.steps
        if step.phase in SETTLED_STEP_PHASES or step.reason is StepReason.RETRYING
    }
    ended = {
        each.spec.step_name
        for each in world.executions.values()
        if each.status.phase is ExecutionPhase.COMPLETED
    }
    assert released <= judged | ended


def check_attempts(world: World) -> None:
    """No step is tried more often than its policy says, or before its time."""
    steps = {step.name: step for step in world.workflow.spec.workflow_definition.steps}
    asked = sum(
        after.status.control is not None
        and after.status.control.verb is Control.RETRY
        and before.status.control != after.status.control
        for before, after in pairwise(world.versions)
    )
    strategy = world.workflow.spec.execution_strategy
    for step in world.workflow.status.steps:
        policy = policy_of(steps[step.name], strategy)
        assert step.attempts <= (1 + policy.max_retries) * (1 + asked)
        assert step.retries_attempted == max(0, step.attempts - 1)


def check_people(world: World) -> None:
    """The end is what people asked for, and no verb moved what had ended."""
    status = world.workflow.status
    stop = status.control.stop if status.control else None
    if stop is Control.CANCEL:
        assert status.phase is Phase.CANCELLED
        assert not any(e.spec.kind is ExecutionKind.ROLLBACK for e in world.created)
    if status.phase is Phase.CANCELLED:
        assert stop is not None
    for before, after in pairwise(world.versions):
        if before.status.phase in TERMINAL_PHASES - {Phase.DEGRADED}:
            assert after.status.phase is before.status.phase
            assert after.status.steps == before.status.steps


def check_undone(world: World) -> None:
    """What was undone had been done, and everything that was built on it was undone before.

    What a person wanted to keep was never touched, nor anything that it was built on.
    """
    needs = dependencies(world.workflow.spec.workflow_definition)
    rollback = world.workflow.status.rollback
    kept = set(rollback.kept) if rollback else set()
    assert not {f"undo {name}" for name in kept} & set(world.done)
    assert not kept or (rollback is not None and rollback.to in kept)
    if rollback is not None:
        assert not {need for name in kept for need in needs[name]} & {
            s.name for s in rollback.steps
        }
    undos = [effect for effect in world.done if effect.startswith("undo ")]
    for place, undo in enumerate(undos):
        name = undo.removeprefix("undo ")
        assert world.done.index(name) < world.done.index(undo)
        rest = {each.removeprefix("undo ") for each in undos[place + 1 :]}
        assert not any(name in needs[other] for other in rest)


def check_quiet(world: World) -> None:
    """Whoever looks at what has ended writes nothing."""
    version, before = world.workflow, dict(world.executions)
    for _ in range(2):
        for move in [Move(actor, ALL_STOPS, choice) for actor in ACTORS for choice in range(2)]:
            world.make(move)
    assert world.workflow is version
    assert world.executions == before
    assert world.wrong == []


def check_end(world: World, case: Case) -> None:
    """The end follows from what failed, whoever moved when."""
    status = world.workflow.status
    assert status.phase in TERMINAL_PHASES
    assert not status.tokens
    failed = {step.name for step in status.steps if step.phase is StepPhase.FAILED}
    assert failed <= {each.removeprefix("verify ") for each in case.failing}
    undone = [e.spec.step_name for e in world.created if e.spec.kind is ExecutionKind.ROLLBACK]
    vain = {s.name for s in status.steps if s.error_type is ErrorType.POSTCONDITION_FAILED}
    forward = [effect for effect in world.done if not effect.startswith("undo ")]
    assert set(forward) == completed(world) | vain
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
    assert sorted(undone) == sorted(forward)
    check_order(world, undone)
    broken = any(f"undo {name}" in case.failing for name in undone)
    assert status.phase is (Phase.ROLLBACK_FAILED if broken else Phase.ROLLED_BACK)


def check_order(world: World, undone: list[str]) -> None:
    """Of what nothing that is left was built on, the one that completed last is undone next."""
    ended = {s.name: (s.completion_time or NOW, s.step_number) for s in world.workflow.status.steps}
    needs = {name: all_needs(world, name) for name in undone}
    for place, name in enumerate(undone):
        left = undone[place:]
        free = [each for each in left if not any(each in needs[other] for other in left)]
        assert name == max(free, key=lambda each: ended[each])


def completed(world: World) -> set[str]:
    """Return the steps that were judged completed."""
    return settled(world.workflow.status, StepPhase.COMPLETED)


def skipped(world: World) -> set[str]:
    """Return the steps that were taken for never begun."""
    return settled(world.workflow.status, StepPhase.SKIPPED)


def settled(status: WorkflowStatus, phase: StepPhase) -> set[str]:
    """Return the steps that are in a phase."""
    return {step.name for step in status.steps if step.phase is phase}


def undone(status: WorkflowStatus) -> set[str]:
    """Return the steps whose undo completed."""
    steps = status.rollback.steps if status.rollback else []
    return {step.name for step in steps if step.phase is RollbackStepPhase.COMPLETED}


def is_critical(world: World, name: str) -> bool:
    """Return whether a workflow fails with a step."""
    steps = world.workflow.spec.workflow_definition.steps
    return next(step.critical_step for step in steps if step.name == name)


def all_needs(world: World, name: str) -> set[str]:
    """Return what a step depends on, directly or not."""
    needs = set(dependencies(world.workflow.spec.workflow_definition)[name])
    return needs.union(*(all_needs(world, need) for need in needs))
