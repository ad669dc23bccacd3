"""The monitor looks at postconditions when they are due, and what it finds stays bound to that."""

import asyncio

import msgspec

from shared.api.enums import ErrorType, ExecutionPhase, StepPhase
from shared.api.meta import (
    OVERRIDDEN_BY_ANNOTATION,
    OVERRIDE_ANNOTATION,
    Condition,
    ConditionStatus,
)
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import StepStatus
from shared.contracts.subjects import Fact
from shared.errors import TransientError
from tests.support.builders import execution_of
from tests.support.monitored import VERIFY, Decided, Monitored, facts_of
from tests.support.verifying import condition, started, step_of, verified_step
from tests.support.virtual_time import run

SETTLED = (Fact.STEP_COMPLETED, Fact.STEP_FAILED)


def begun(checker: Decided, *, timeout: str | None = None) -> Monitored:
    workflow = started(verified_step("a", condition("ready", timeout=timeout)))
    world = Monitored(workflow, checker)
    world.end(execution_of(workflow, "a", phase=ExecutionPhase.COMPLETED))
    return world


def condition_of(world: Monitored, type_: str) -> Condition:
    return next(each for each in world.workflow.status.conditions if each.type == type_)


def step(world: Monitored) -> StepStatus:
    return step_of(world.workflow, "a")


def test_row_83_rounds_go_on_by_timers_until_the_condition_comes_true() -> None:
    async def lived() -> None:
        checker = Decided({"ready": 40})
        world = begun(checker)

        await world.look()
        assert step(world).phase is StepPhase.VERIFYING
        assert facts_of(world.bus, *SETTLED) == []
        await world.live()

        assert step(world).phase is StepPhase.COMPLETED
        assert facts_of(world.bus, *SETTLED) == [Fact.STEP_COMPLETED]
        assert 40 <= checker.looks[-1][1] <= 45.1
        assert VERIFY not in world.bus.timers

    run(lived())


def test_row_84_a_condition_that_never_holds_fails_its_step_when_its_time_is_up() -> None:
    async def lived() -> None:
        checker = Decided({"ready": 999})
        world = begun(checker, timeout="7s")

        await world.look()
        await world.live()

        assert step(world).error_type is ErrorType.POSTCONDITION_FAILED
        assert facts_of(world.bus, *SETTLED) == [Fact.STEP_FAILED]
        assert checker.looks[-1][1] == 7
        said = condition_of(world, "PostconditionsFailed")
        assert (said.status, said.reason) == (ConditionStatus.TRUE, "PostconditionFailed")
        assert said.message.startswith("step a: postcondition ready not met within 7s")

        world.put(_restarted(world.workflow))
        world.end(execution_of(world.workflow, "a", phase=ExecutionPhase.COMPLETED, attempt=2))
        await world.look()
        assert condition_of(world, "PostconditionsFailed").status is ConditionStatus.FALSE

    run(lived())


def test_the_first_round_comes_together_with_the_end_of_the_execution() -> None:
    async def lived() -> None:
        world = begun(Decided({"ready": 0}))

        await world.look()

        assert step(world).phase is StepPhase.COMPLETED
        assert facts_of(world.bus, *SETTLED) == [Fact.STEP_COMPLETED]

    run(lived())


def test_a_look_that_cannot_be_had_counts_as_one_that_found_nothing() -> None:
    async def lived() -> None:
        down = [TransientError("ApiUnavailable", "nobody answers") for _ in range(3)]
        world = begun(Decided({"ready": 0}, errors=down))

        await world.look()
        assert step(world).phase is StepPhase.VERIFYING
        assert "nobody answers" in step(world).post_condition_results[0].error_message
        await world.live()

        assert step(world).phase is StepPhase.COMPLETED
        assert step(world).post_condition_results[0].attempts == 4

    run(lived())


def test_row_90_an_override_holds_for_a_look_that_cannot_be_had_too() -> None:
    async def lived() -> None:
        down = [TransientError("ApiUnavailable", "nobody answers") for _ in range(99)]
        world = begun(Decided({"ready": 0}, errors=down), timeout="6s")
        world.put(_overridden(world.workflow))

        await world.look()
        await world.live()

        assert step(world).phase is StepPhase.COMPLETED
        (said,) = step(world).post_condition_results
        assert (said.passed, said.required) == (False, False)
        assert said.overridden_by.startswith("olga ")

    run(lived())


def test_a_step_ends_in_time_though_nobody_can_look_at_its_conditions() -> None:
    async def lived() -> None:
        down = [TransientError("ApiUnavailable", "nobody answers") for _ in range(99)]
        world = begun(Decided({"ready": 0}, errors=down), timeout="6s")

        await world.look()
        await world.live()

        assert step(world).error_type is ErrorType.POSTCONDITION_FAILED
        assert "nobody answers" in step(world).message

    run(lived())


def test_a_restart_changes_neither_the_time_nor_what_was_counted() -> None:
    async def lived() -> None:
        checker = Decided({"ready": 999})
        world = begun(checker, timeout="30s")
        await world.look()
        await world.live(rounds=3)

        world.restart()
        await world.look("resync")
        await world.live()

        assert step(world).error_type is ErrorType.POSTCONDITION_FAILED
        assert checker.looks[-1][1] == 30
        assert step(world).post_condition_results[0].attempts == len(checker.looks)

    run(lived())


def test_what_was_found_about_an_attempt_is_dropped_when_the_workflow_moved_on() -> None:
    async def lived() -> None:
        checker = Decided({"ready": 0}, takes_s=1)
        world = begun(checker)

        async def another_attempt() -> None:
            world.put(_restarted(world.workflow))

        checker.meanwhile = another_attempt
        await world.look()

        assert (step(world).phase, step(world).attempts) == (StepPhase.RUNNING, 2)
        assert facts_of(world.bus, *SETTLED) == []

    run(lived())


def test_an_event_brings_a_round_forward_and_a_walk_does_not() -> None:
    async def lived() -> None:
        checker = Decided({"ready": 999})
        world = begun(checker)
        await world.look()
        await world.live(rounds=5)
        at = len(checker.looks)

        await world.look("resync")
        await world.look(Fact.KEX_CHANGED)
        assert len(checker.looks) == at
        world.bus.timers.clear()

        await asyncio.sleep(1.5)
        await world.look("resync")
        assert len(checker.looks) == at
        await world.look(Fact.KEX_CHANGED)
        assert len(checker.looks) == at + 1

    run(lived())


def _overridden(workflow: WorkflowExecution) -> WorkflowExecution:
    annotations = {OVERRIDE_ANNOTATION: "ready", OVERRIDDEN_BY_ANNOTATION: "olga"}
    meta = msgspec.structs.replace(workflow.metadata, annotations=annotations)
    return msgspec.structs.replace(workflow, metadata=meta)


def _restarted(workflow: WorkflowExecution) -> WorkflowExecution:
    steps = [
        msgspec.structs.replace(
            s,
            phase=StepPhase.RUNNING,
            attempts=2,
            completion_time=None,
            error_type=None,
        )
        for s in workflow.status.steps
    ]
    status = msgspec.structs.replace(workflow.status, steps=steps)
    return msgspec.structs.replace(workflow, status=status)
