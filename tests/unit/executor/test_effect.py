"""The change of one execution in virtual time: its limit, its lock, its end in flight."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from services.executor.core import claims, locks, operations, results
from services.executor.core.changes import Done, RefusedError
from services.executor.effect import Effect
from services.rollback.core.inverse import combined
from shared.api.enums import Action, ErrorType, ExecutionKind, ExecutionPhase
from shared.api.execution import KubernetesExecution
from shared.api.groups import DEPLOYMENT, KUBERNETES_EXECUTION
from shared.api.parameters import (
    EnableDebugMode,
    Parameters,
    PatchDeployment,
    ScaleDeployment,
    TargetResource,
    WaitForCondition,
)
from shared.api.workflow_spec import Step
from shared.errors import ConflictError, FencedError, PermanentError, TransientError
from tests.support.builders import make_workflow, planned
from tests.support.virtual_time import run, virtual_clock
from tests.unit.executor.little_cluster import stored
from tests.unit.executor.stage import LIMIT_S, Stage


def _at(seconds: float, act: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    loop.call_at(seconds, act)


async def _carry_out(stage: Stage, claim: KubernetesExecution) -> Effect:
    effect = stage.effect(claim)
    await effect.apply()
    await effect.settle()
    return effect


async def _refused(work: Awaitable[object]) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        await work
    return caught.value


def test_row_56_a_step_that_settles_just_before_its_limit_is_in_time() -> None:
    async def scenario() -> None:
        stage = Stage()
        claim = await stage.claimed()
        _at(LIMIT_S - 0.000_001, stage.roll_out)

        await _carry_out(stage, claim)

    run(scenario())


def test_row_56_a_step_that_settles_at_its_limit_is_late_and_says_what_it_waited_for() -> None:
    async def scenario() -> None:
        stage = Stage()
        claim = await stage.claimed()
        _at(LIMIT_S, stage.roll_out)

        error = await _refused(_carry_out(stage, claim))

        assert (error.error, error.reason) == (ErrorType.TIMEOUT, "Timeout")
        assert "Deployment default/web: 2 of 3 replicas are updated" in str(error)
        assert virtual_clock().monotonic() == pytest.approx(LIMIT_S)

    run(scenario())


def test_a_late_claim_changes_nothing_once_its_step_was_settled() -> None:
    async def scenario() -> None:
        stage = Stage()
        claim = await stage.claimed()
        spec = msgspec.structs.replace(claim.spec, kind=ExecutionKind.SETTLE, fence=2)
        settling = stage.effect(msgspec.structs.replace(claim, spec=spec))
        assert await settling.look() is False
        settled = stage.target()

        with pytest.raises(FencedError, match="settled without this change"):
            await stage.effect(claim).apply()

        assert stage.target() == settled
        assert settled["spec"]["replicas"] == 2

    run(scenario())


def test_who_goes_on_settling_finds_the_stamp_of_who_died() -> None:
    async def scenario() -> None:
        stage = Stage()
        claim = await stage.claimed()
        spec = msgspec.structs.replace(claim.spec, kind=ExecutionKind.SETTLE, fence=2)
        claim = msgspec.structs.replace(claim, spec=spec)
        await stage.effect(claim).look()
        settled = stage.target()

        second = stage.effect(claim)

        assert await second.look() is False
        assert stage.target() == settled
        (record,) = second.claim.status.effects
        assert (record.verb, record.name, record.answered) == ("patch", "web", True)

    run(scenario())


def test_row_56_a_step_taken_over_has_no_more_time_than_the_first_claim() -> None:
    async def scenario() -> None:
        stage = Stage()
        claim = await stage.claimed()
        await asyncio.sleep(LIMIT_S)
        again = claims.claimed(claim, holder="f", now=virtual_clock().now(), inverse=None)
        taken = await stage.executions.write_status(claim, again)

        error = await _refused(stage.effect(taken).apply())

        assert error.error is ErrorType.TIMEOUT
        assert stage.cluster.changes_of(DEPLOYMENT) == []

    run(scenario())


def test_row_56_waiting_for_what_never_comes_ends_at_the_limit() -> None:
    async def scenario() -> None:
        stage = Stage()
        claim = await stage.claimed()
        wanted = WaitForCondition(
            target_resource=TargetResource(kind="Deployment", name="absent"), condition="Available"
        )

        error = await _refused(stage.look(claim, wanted))

        assert "Deployment absent does not exist yet" in str(error)
        assert virtual_clock().monotonic() == pytest.approx(LIMIT_S)

    run(scenario())


def test_the_write_says_who_holds_the_target() -> None:
    async def scenario() -> None:
        stage = Stage()
        claim = await stage.claimed()

        await stage.effect(claim).apply()

        (holder,) = locks.holders_of(stage.target())
        assert holder.name == claim.metadata.name
        assert len(stage.cluster.patches) == 1

    run(scenario())


def test_a_target_that_was_taken_meanwhile_is_waited_for_and_captured_anew() -> None:
    async def scenario() -> None:
        stage = Stage()
        claim = await stage.claimed()
        holder = stage.hold()
        stage.change(replicas=7)
        ended = msgspec.structs.replace(
            holder, status=msgspec.structs.replace(holder.status, phase=ExecutionPhase.COMPLETED)
        )
        _at(60, lambda: stage.cluster.put(KUBERNETES_EXECUTION, stored(ended)))
        _at(61, stage.roll_out)

        effect = await _carry_out(stage, claim)

        captured = effect.claim.status.rollback_information
        assert captured is not None
        assert (captured.before, captured.after) == (
            {"spec.replicas": "7"},
            {"spec.replicas": "3"},
        )
        live = await stage.executions.fetch("default", claim.metadata.name)
        assert live is not None
        assert live.status.rollback_information == captured

    run(scenario())


def test_a_target_that_was_taken_and_let_go_while_nobody_looked_is_captured_anew() -> None:
    async def scenario() -> None:
        stage = Stage()
        claim = await stage.claimed()
        stage.hold(ExecutionPhase.COMPLETED)
        stage.change(replicas=7)
        _at(1, stage.roll_out)

        effect = await _carry_out(stage, claim)

        captured = effect.claim.status.rollback_information
        assert captured is not None
        assert captured.before == {"spec.replicas": "7"}

    run(scenario())


def test_what_somebody_changed_after_another_workflow_was_done_is_not_overwritten() -> None:
    async def scenario() -> None:
        stage = Stage()
        stage.hold(ExecutionPhase.COMPLETED)
        claim = await stage.claimed()
        stage.change(replicas=7)

        error = await _refused(stage.effect(claim).apply())

        assert (error.error, error.reason) == (ErrorType.RESOURCE_CONFLICT, "ConcurrentChange")
        assert stage.target()["spec"]["replicas"] == 7

    run(scenario())


def test_a_target_is_captured_anew_though_its_first_look_finds_no_answer() -> None:
    async def scenario() -> None:
        stage = _patching(Stage())
        claim = await stage.claimed()
        stage.cluster.on_dry_run = [_raising(TransientError("ApiUnavailable", "gone"))]
        holder = stage.hold()
        stage.change(minReadySeconds=7)
        ended = msgspec.structs.replace(
            holder, status=msgspec.structs.replace(holder.status, phase=ExecutionPhase.COMPLETED)
        )
        _at(60, lambda: stage.cluster.put(KUBERNETES_EXECUTION, stored(ended)))

        effect = await _carry_out(stage, claim)

        captured = effect.claim.status.rollback_information
        assert captured is not None
        assert captured.before == {"spec.minReadySeconds": "7"}

    run(scenario())


def test_what_was_never_changed_needs_no_undo() -> None:
    async def scenario() -> None:
        stage = Stage()
        claim = await stage.claimed()
        stage.hold()
        effect = stage.effect(claim)

        error = await _refused(effect.apply())

        assert error.error is ErrorType.TIMEOUT
        captured = effect.claim.status.rollback_information
        assert captured is not None
        assert not captured.available

    run(scenario())


def test_what_may_have_been_changed_can_be_undone() -> None:
    async def scenario() -> None:
        stage = Stage()
        stage.cluster.losing = "request"
        claim = await stage.claimed()
        _at(0.1, stage.hold)
        effect = stage.effect(claim)

        await _refused(effect.apply())

        captured = effect.claim.status.rollback_information
        assert captured is not None
        assert captured.available

    run(scenario())


def test_a_target_that_is_not_let_go_is_waited_for_until_the_limit() -> None:
    async def scenario() -> None:
        stage = Stage()
        claim = await stage.claimed()
        stage.hold()

        error = await _refused(stage.effect(claim).apply())

        assert error.error is ErrorType.TIMEOUT
        assert "Deployment default/web is held by workflow default/other, step web" in str(error)
        assert stage.cluster.changes_of(DEPLOYMENT) == []

    run(scenario())


def test_a_step_cancelled_before_its_change_never_makes_it() -> None:
    async def scenario() -> None:
        stage = Stage()
        claim = await stage.claimed()
        stage.hold()
        _at(20, stage.stop.ask)

        error = await _refused(stage.effect(claim).apply())

        assert (error.error, error.reason) == (ErrorType.CANCELLED, "Cancelled")
        assert str(error) == "cancelled before the change"
        assert stage.cluster.changes_of(DEPLOYMENT) == []
        assert virtual_clock().monotonic() == pytest.approx(20)

    run(scenario())


def test_a_step_cancelled_after_its_change_says_that_it_was_made() -> None:
    async def scenario() -> None:
        stage = Stage()
        claim = await stage.claimed()
        _at(20, stage.stop.ask)

        error = await _refused(_carry_out(stage, claim))

        assert error.error is ErrorType.CANCELLED
        assert str(error) == "cancelled while waiting; the change was made"
        assert stage.target()["spec"]["replicas"] == 3
        assert virtual_clock().monotonic() == pytest.approx(20)

    run(scenario())


@pytest.mark.parametrize("lost", ["answer", "request"])
def test_a_step_is_not_cancelled_while_its_write_may_still_be_on_its_way(lost: str) -> None:
    async def scenario() -> None:
        stage = Stage()
        claim = await stage.claimed()
        stage.cluster.losing = lost
        _at(0.1, stage.stop.ask)

        error = await _refused(_carry_out(stage, claim))

        assert str(error) == "cancelled while waiting; the change was made"
        assert stage.target()["spec"]["replicas"] == 3
        assert len(stage.cluster.changes_of(DEPLOYMENT)) == 1

    run(scenario())


def test_a_convergent_step_whose_goal_is_reached_touches_nothing() -> None:
    async def scenario() -> None:
        stage = Stage()
        stage.change(replicas=3)
        stage.roll_out()
        claim = await stage.claimed(convergent=True)
        effect = stage.effect(claim)
        await effect.apply()
        done: Done = await effect.settle()

        status = results.completed(effect.claim, done.result, now=virtual_clock().now())

        assert stage.cluster.changes_of(DEPLOYMENT) == []
        assert status.rollback_information is not None
        assert status.rollback_information.available is False
        outcome = status.execution_results
        assert outcome is not None
        assert (outcome.success, outcome.reason) == (True, "AlreadySatisfied")
        assert outcome.resources_affected == []
        assert status.message == "already satisfied: spec.replicas is 3"
        assert outcome.result is not None
        assert outcome.result.warnings == [status.message]

    run(scenario())


def test_a_convergent_step_whose_goal_is_not_reached_goes_there() -> None:
    async def scenario() -> None:
        stage = Stage()
        claim = await stage.claimed(convergent=True)
        _at(1, stage.roll_out)

        effect = await _carry_out(stage, claim)

        assert stage.target()["spec"]["replicas"] == 3
        captured = effect.claim.status.rollback_information
        assert captured is not None
        assert captured.available

    run(scenario())


@pytest.mark.parametrize("convergent", [False, True])
def test_a_second_attempt_goes_on_from_what_the_first_one_changed(convergent: bool) -> None:
    async def scenario() -> None:
        stage = Stage()
        first = await stage.claimed(convergent=convergent)
        assert (await _refused(_carry_out(stage, first))).error is ErrorType.TIMEOUT
        second = await stage.claimed(attempt=2, convergent=convergent)
        _at(LIMIT_S + 30, stage.roll_out)

        effect = await _carry_out(stage, second)

        captured = effect.claim.status.rollback_information
        assert captured is not None
        assert captured.available
        assert (captured.before, captured.after) == (
            {"spec.replicas": "2"},
            {"spec.replicas": "3"},
        )
        assert captured.rollback_parameters == Parameters(
            scale_deployment=ScaleDeployment(deployment="web", replicas=2)
        )
        assert len(operations.read(stage.target())) == 2

    run(scenario())


def test_a_second_attempt_after_somebody_changed_the_target_captures_what_is_there() -> None:
    async def scenario() -> None:
        stage = Stage()
        first = await stage.claimed()
        assert (await _refused(_carry_out(stage, first))).error is ErrorType.TIMEOUT
        stage.change(replicas=9)

        second = await stage.claimed(attempt=2)

        assert second.status.rollback_information is not None
        assert second.status.rollback_information.before == {"spec.replicas": "9"}

    run(scenario())


@pytest.mark.parametrize("theirs", [True, False])
def test_what_somebody_kept_secret_between_attempts_is_not_taken_back(theirs: bool) -> None:
    async def scenario() -> None:
        stage = _debugging(Stage())
        first = await stage.claimed()
        await stage.effect(first).apply()
        _log(stage, "trace" if theirs else None)

        second = await stage.claimed(attempt=2)

        found = [each.status.rollback_information for each in (first, second)]
        before, after = (each for each in found if each is not None)
        whole = combined([before, after])
        assert whole is not None
        assert whole.kept_in == (after if theirs else before).kept_in
        assert whole.left_in == ("" if theirs else after.kept_in)

    run(scenario())


def test_a_step_is_claimed_though_nobody_answers_what_it_would_change() -> None:
    async def scenario() -> None:
        stage = _patching(Stage())
        stage.cluster.on_dry_run = [_raising(TransientError("InternalError", "a webhook failed"))]

        claim = await stage.claimed()
        effect = await _carry_out(stage, claim)

        captured = effect.claim.status.rollback_information
        assert captured is not None
        assert captured.after == {"spec.minReadySeconds": "1"}

    run(scenario())


def test_a_change_that_is_never_taken_says_what_was_answered() -> None:
    async def scenario() -> None:
        stage = Stage()
        claim = await stage.claimed()
        stage.cluster.refusing = TransientError("InternalError", "a webhook failed")

        error = await _refused(stage.effect(claim).apply())

        assert error.error is ErrorType.TIMEOUT
        assert str(error) == (
            "out of time while waiting for Deployment default/web to take the change: "
            "a webhook failed"
        )

    run(scenario())


def test_a_target_that_moves_while_a_patch_is_tried_is_looked_at_again() -> None:
    async def scenario() -> None:
        stage = _patching(Stage())
        stage.cluster.on_dry_run = [
            _raising(PermanentError("Invalid", "not now")),
            _raising(ConflictError("Conflict", "it moved")),
        ]
        claim = await stage.claimed()
        assert claim.status.rollback_information is None

        await _carry_out(stage, claim)

        assert stage.target()["spec"]["minReadySeconds"] == 1

    run(scenario())


def _patching(stage: Stage) -> Stage:
    """Return the stage with a step that makes a free patch of its Deployment."""
    wanted = PatchDeployment(
        deployment="web", patch_type="merge", patch="spec: {minReadySeconds: 1}"
    )
    step = Step(
        name="web",
        action=str(Action.PATCH_DEPLOYMENT),
        parameters=Parameters(patch_deployment=wanted),
    )
    stage.workflow = planned(make_workflow([step]))
    return stage


def _debugging(stage: Stage) -> Stage:
    """Return the stage with a step that sets a variable, which no status may show."""
    step = Step(
        name="web",
        action=str(Action.ENABLE_DEBUG_MODE),
        parameters=Parameters(enable_debug_mode=EnableDebugMode(deployment="web", container="app")),
    )
    stage.workflow = planned(make_workflow([step]))
    return stage


def _log(stage: Stage, level: str | None) -> None:
    """Do as somebody else who sets that variable, or takes it out."""
    template = stage.target()["spec"]["template"]
    variables = [{"name": "LOG_LEVEL", "value": level}] if level else []
    template["spec"]["containers"][0]["env"] = variables
    stage.change(template=template)


def _raising(error: Exception) -> Callable[[], object]:
    def act() -> object:
        raise error

    return act
