"""A change is tried as it will be sent, and made only after it passed."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from services.executor.core import claims, dry_runs, operations, results
from services.executor.core.changes import Address, RefusedError
from services.executor.effect import Effect
from shared.api.enums import Action, ErrorType
from shared.api.execution import ExecutionStatus, KubernetesExecution
from shared.api.groups import DEPLOYMENT
from shared.api.meta import Condition, ConditionStatus
from shared.api.results import DryRunResults, EstimatedImpact
from shared.errors import PermanentError, TransientError
from tests.support.builders import NOW, execution_of, make_workflow, planned, scale_step
from tests.support.virtual_time import run, virtual_clock
from tests.unit.executor.live import Object
from tests.unit.executor.stage import Stage

REFUSAL = PermanentError("Forbidden", "patch deployments web: not more than two")
NO_ANSWER = TransientError("ApiUnavailable", "lost on the way")
IMPACT = EstimatedImpact(
    resources_affected=1, description="Deployment default/web: spec.replicas: 2 -> 3"
)
PASSED = DryRunResults(performed=True, success=True, estimated_impact=IMPACT)
WEB = Address(kind=DEPLOYMENT, name="web", namespace="default")


def _changes(stage: Stage) -> list[Object]:
    return stage.cluster.changes_of(DEPLOYMENT)


async def _made(stage: Stage, claim: KubernetesExecution) -> Effect:
    effect = stage.effect(claim)
    await effect.apply()
    return effect


async def _refused(effect: Effect) -> PermanentError:
    with pytest.raises(PermanentError) as caught:
        await effect.apply()
    return caught.value


def _answered(error: BaseException) -> Callable[[], None]:
    def answer() -> None:
        raise error

    return answer


def test_row_75_what_is_tried_is_what_is_sent_afterwards() -> None:
    async def scenario() -> None:
        stage = Stage()
        stage.cluster.warnings = ("replicas are dear",)

        effect = await _made(stage, await stage.claimed(dry_run=True))

        assert len(_changes(stage)) == 1
        assert stage.cluster.dry_runs == _changes(stage)
        found = msgspec.structs.replace(PASSED, warnings=["replicas are dear"])
        assert effect.dry_run.found == found

    run(scenario())


def test_row_75_a_change_that_would_be_refused_is_not_made() -> None:
    async def scenario() -> None:
        stage = Stage()
        before = stage.target()
        effect = stage.effect(await stage.claimed(dry_run=True))
        stage.cluster.on_dry_run = [_answered(REFUSAL)]

        error = await _refused(effect)

        assert error.reason == REFUSAL.reason
        assert str(error) == f"dry run: {REFUSAL}"
        assert effect.dry_run.found == DryRunResults(
            performed=True, success=False, estimated_impact=IMPACT, errors=[str(REFUSAL)]
        )
        assert stage.target() == before

    run(scenario())


def test_nothing_is_tried_where_nobody_asked_for_it() -> None:
    async def scenario() -> None:
        stage = Stage()

        effect = await _made(stage, await stage.claimed())

        assert len(_changes(stage)) == 1
        assert stage.cluster.dry_runs == []
        assert effect.dry_run.found is None

    run(scenario())


def test_a_try_that_nobody_answered_is_repeated_before_anything_is_changed() -> None:
    async def scenario() -> None:
        stage = Stage()
        stage.cluster.on_dry_run = [_answered(NO_ANSWER), _answered(REFUSAL)]

        await _refused(stage.effect(await stage.claimed(dry_run=True)))

        assert len(stage.cluster.dry_runs) == 2
        assert _changes(stage) == []

    run(scenario())


def test_a_step_cancelled_while_its_try_is_not_answered_is_not_made() -> None:
    async def scenario() -> None:
        stage = Stage()
        stage.cluster.on_dry_run = [_answered(NO_ANSWER)] * 9
        asyncio.get_running_loop().call_at(1, stage.stop.ask)

        with pytest.raises(RefusedError, match="cancelled before the change"):
            await _made(stage, await stage.claimed(dry_run=True))

        assert _changes(stage) == []

    run(scenario())


@pytest.mark.parametrize("lost", ["answer", "request"])
def test_a_change_that_may_be_on_its_way_is_not_tried_again(lost: str) -> None:
    async def scenario() -> None:
        stage = Stage()
        stage.cluster.losing = lost

        effect = await _made(stage, await stage.claimed(dry_run=True))

        assert len(_changes(stage)) == 1
        assert len(stage.cluster.dry_runs) == 1
        assert effect.dry_run.found == PASSED

    run(scenario())


def test_a_target_that_changed_after_the_try_is_tried_as_it_is_then() -> None:
    async def scenario() -> None:
        stage = Stage()
        claim = await stage.claimed(dry_run=True)
        stage.cluster.on_dry_run = [lambda: stage.change(paused=True)]

        await _made(stage, claim)

        first, second = stage.cluster.dry_runs
        assert first["metadata"]["resourceVersion"] != second["metadata"]["resourceVersion"]
        assert _changes(stage) == [second]

    run(scenario())


def test_an_executor_that_takes_over_between_try_and_change_tries_again() -> None:
    async def scenario() -> None:
        stage = Stage()
        claim = await stage.claimed(dry_run=True)
        stage.cluster.on_dry_run = [_answered(asyncio.CancelledError())]
        with pytest.raises(asyncio.CancelledError):
            await _made(stage, claim)
        assert _changes(stage) == []

        effect = await _made(stage, await _taken_over(stage, claim))

        assert len(stage.cluster.dry_runs) == 2
        assert len(_changes(stage)) == 1
        assert effect.dry_run.found == PASSED

    run(scenario())


def test_an_executor_that_takes_over_after_the_change_tells_that_it_was_tried() -> None:
    async def scenario() -> None:
        stage = Stage()
        claim = await stage.claimed(dry_run=True)
        await _made(stage, claim)

        effect = await _made(stage, await _taken_over(stage, claim))

        assert len(operations.read(stage.target())) == 1
        assert len(stage.cluster.dry_runs) == 1
        assert effect.dry_run.found == PASSED

    run(scenario())


async def _taken_over(stage: Stage, claim: KubernetesExecution) -> KubernetesExecution:
    status = claims.claimed(claim, holder="f", now=virtual_clock().now(), inverse=None)
    return await stage.executions.write_status(claim, status)


def _told(
    execution: KubernetesExecution, status: ExecutionStatus, found: DryRunResults | None = None
) -> tuple[DryRunResults | None, Condition | None]:
    after = dry_runs.told(execution, status, found, now=NOW)
    told = after.validation_results.dry_run_results if after.validation_results else None
    conditions = {condition.type: condition for condition in after.conditions}
    return told, conditions.get("DryRunCompleted")


def test_row_75_the_execution_shows_a_try_that_passed_whatever_came_after_it() -> None:
    claim = _execution(dry_run=True)
    late = results.failed(claim, RefusedError(ErrorType.TIMEOUT, "out of time"), now=NOW)

    told, condition = _told(claim, late, PASSED)

    assert told == PASSED
    assert condition is not None
    assert (condition.status, condition.reason) == (ConditionStatus.TRUE, "ValidationSucceeded")


def test_row_75_the_execution_shows_why_its_change_would_be_refused() -> None:
    claim = _execution(dry_run=True)
    why = "not more than two, " * 20
    refused = results.failed(claim, RefusedError(ErrorType.PERMISSION_DENIED, why), now=NOW)

    told, condition = _told(claim, refused, dry_runs.refused(claim, WEB, why))

    assert told is not None
    assert (told.performed, told.success, told.errors) == (True, False, [why[:256]])
    assert condition is not None
    assert (condition.status, condition.reason) == (ConditionStatus.FALSE, "ValidationFailed")
    assert condition.message == why[:256]


@pytest.mark.parametrize("action", [Action.NOTIFY_ONLY, Action.WAIT_FOR_CONDITION])
def test_row_75_what_changes_nothing_says_that_there_was_nothing_to_try(action: Action) -> None:
    execution = _execution(action=action, dry_run=True)

    told, condition = _told(execution, execution.status)

    assert told == _needless(f"{action} changes nothing")
    assert condition is None


def test_a_goal_that_is_reached_already_leaves_nothing_to_try() -> None:
    async def scenario() -> None:
        stage = Stage()
        stage.change(replicas=3)
        claim = await stage.claimed(convergent=True, dry_run=True)

        effect = await _made(stage, claim)

        told, condition = _told(claim, claim.status, effect.dry_run.found)
        assert told == _needless("nothing is changed: the goal is reached already")
        assert condition is None
        assert stage.cluster.dry_runs == []

    run(scenario())


@pytest.mark.parametrize(
    "spec",
    [{"action": Action.NOTIFY_ONLY}, {"action": Action.SCALE_DEPLOYMENT, "dry_run": True}],
    ids=["not asked for", "not reached"],
)
def test_nothing_is_told_of_a_try_that_was_not_asked_for_or_not_reached(
    spec: dict[str, Any],
) -> None:
    execution = _execution(**spec)

    assert dry_runs.told(execution, execution.status, None, now=NOW) == execution.status


def _needless(why: str) -> DryRunResults:
    impact = EstimatedImpact(description=why)
    return DryRunResults(performed=False, success=True, estimated_impact=impact)


def _execution(**spec: Any) -> KubernetesExecution:
    found = execution_of(planned(make_workflow([scale_step("web")])), "web", claimed=True)
    return msgspec.structs.replace(found, spec=msgspec.structs.replace(found.spec, **spec))
