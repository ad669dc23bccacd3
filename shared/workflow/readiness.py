"""Which steps may start, which have to wait, and which never will.

Requirement BR-ORCHESTRATION-009: a step is ready when it has not started and each of its
dependencies completed or was not needed. A failed step that has a fallback holds up what
depends on it until the fallback has settled; a completed fallback stands in for it.
"""

from collections.abc import Mapping
from enum import Enum

import msgspec

from shared.api.enums import RELEASING_REASONS, StepPhase, StepReason
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import StepStatus
from shared.workflow.definition import definition_of
from shared.workflow.graph import dependencies, fallbacks

WAITING_PHASES = frozenset({StepPhase.PENDING, StepPhase.QUEUED, StepPhase.BLOCKED})


class State(Enum):
    """What may become of a step that has not started, or of a dependency."""

    OPEN = "open"
    RELEASED = "released"
    LOST = "lost"


class Standing(msgspec.Struct, frozen=True):
    """A step that has not started: may it (released), must it wait (open), will it never?"""

    state: State
    reason: StepReason | None = None
    culprit: str = ""


def standings(workflow: WorkflowExecution) -> dict[str, Standing]:
    """Return where each step without an attempt in flight stands, in plan order."""
    plan = workflow.status.execution_plan
    definition = definition_of(workflow)
    needs, primaries = dependencies(definition), fallbacks(definition)
    effective = {step.name: step for step in workflow.status.steps}
    found: dict[str, Standing] = {}
    for name in plan.order if plan else ():
        step = effective.get(name)
        if step is None or step.phase not in WAITING_PHASES or name in workflow.status.tokens:
            continue
        standing = _standing(needs[name], primaries.get(name, ""), effective, primaries)
        found[name] = standing
        if standing.state is State.LOST:
            effective[name] = msgspec.structs.replace(
                step, phase=StepPhase.SKIPPED, reason=standing.reason
            )
    return found


def lost_steps(workflow: WorkflowExecution) -> set[str]:
    """Return the steps that can no longer start, marked Skipped yet or not."""
    return {name for name, found in standings(workflow).items() if found.state is State.LOST}


def is_handled(workflow: WorkflowExecution, failed: StepStatus) -> bool:
    """Return whether a fallback of a failed step completed, or still may."""
    return after_fallbacks(workflow, failed) is not State.LOST


def after_fallbacks(workflow: WorkflowExecution, failed: StepStatus) -> State:
    """Return whether a fallback stands in for a failed step, may yet do so, or never will."""
    primaries = fallbacks(definition_of(workflow))
    if failed.name not in primaries.values():
        return State.LOST
    lost = lost_steps(workflow)
    steps = {
        step.name: msgspec.structs.replace(step, phase=StepPhase.SKIPPED)
        if step.name in lost
        else step
        for step in workflow.status.steps
    }
    return _stand_in(failed.name, steps, primaries)


def _standing(
    needs: tuple[str, ...],
    primary: str,
    steps: Mapping[str, StepStatus],
    primaries: Mapping[str, str],
) -> Standing:
    waiting = False
    for need in needs:
        if need == primary:
            found = _after_failure_of(steps[need])
        else:
            found = _after(steps[need], steps, primaries)
        if found.state is State.LOST:
            return found
        waiting = waiting or found.state is State.OPEN
    return Standing(State.OPEN if waiting else State.RELEASED)


def _after_failure_of(primary: StepStatus) -> Standing:
    match primary.phase:
        case StepPhase.FAILED:
            return Standing(State.RELEASED)
        case StepPhase.COMPLETED:
            return Standing(State.LOST, StepReason.PRIMARY_COMPLETED, primary.name)
        case StepPhase.SKIPPED if primary.reason in RELEASING_REASONS:
            return Standing(State.LOST, StepReason.PRIMARY_COMPLETED, primary.name)
        case StepPhase.SKIPPED:
            return Standing(State.LOST, StepReason.DEPENDENCY_FAILED, primary.name)
        case _:
            return Standing(State.OPEN)


def _after(
    step: StepStatus, steps: Mapping[str, StepStatus], primaries: Mapping[str, str]
) -> Standing:
    match step.phase:
        case StepPhase.COMPLETED:
            return Standing(State.RELEASED)
        case StepPhase.SKIPPED if step.reason in RELEASING_REASONS:
            return Standing(State.RELEASED)
        case StepPhase.SKIPPED:
            return Standing(State.LOST, StepReason.DEPENDENCY_FAILED, step.name)
        case StepPhase.FAILED:
            return _after_failed(step, steps, primaries)
        case _:
            return Standing(State.OPEN)


def _after_failed(
    step: StepStatus, steps: Mapping[str, StepStatus], primaries: Mapping[str, str]
) -> Standing:
    state = _stand_in(step.name, steps, primaries)
    if state is State.LOST:
        return Standing(state, StepReason.DEPENDENCY_FAILED, step.name)
    return Standing(state)


def _stand_in(failed: str, steps: Mapping[str, StepStatus], primaries: Mapping[str, str]) -> State:
    """Answer for a failed step; a fallback that failed may have one of its own."""
    found = {
        _stands(steps[name], steps, primaries)
        for name, primary in primaries.items()
        if primary == failed and name in steps
    }
    for state in (State.RELEASED, State.OPEN):
        if state in found:
            return state
    return State.LOST


def _stands(
    fallback: StepStatus, steps: Mapping[str, StepStatus], primaries: Mapping[str, str]
) -> State:
    match fallback.phase:
        case StepPhase.COMPLETED:
            return State.RELEASED
        case StepPhase.FAILED:
            return _stand_in(fallback.name, steps, primaries)
        case StepPhase.SKIPPED:
            return State.LOST
        case _:
            return State.OPEN
