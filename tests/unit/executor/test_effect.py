"""The change of one execution in virtual time: its limit, its lock, its end in flight."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import msgspec
import pytest

from services.executor.actions.mutations import Mutation
from services.executor.capture import Captures, mutation_of
from services.executor.core import claims, locks, operations, results
from services.executor.core.changes import Done, RefusedError
from services.executor.effect import Effect
from services.executor.stop import Stop
from shared.api.enums import ErrorType, ExecutionKind, ExecutionPhase
from shared.api.execution import KubernetesExecution
from shared.api.groups import DEPLOYMENT, KUBERNETES_EXECUTION
from shared.api.meta import LOCKED_BY_ANNOTATION
from shared.api.parameters import (
    Parameters,
    ScaleDeployment,
    TargetResource,
    WaitForCondition,
)
from shared.errors import FencedError
from shared.ids import Uid
from shared.kube.store import ExecutionStore
from tests.support.builders import execution_of, make_workflow, planned, scale_step
from tests.support.virtual_time import run, virtual_clock
from tests.unit.executor.little_cluster import LittleCluster, stored
from tests.unit.executor.live import Object, live_deployment

LIMIT_S: Final = 300
OTHER = Uid("0b5f7f0e-0000-4000-8000-000000000002")


class Stage:
    """A Deployment of two replicas, and a claimed step that is to make it three."""

    def __init__(self) -> None:
        self.cluster = LittleCluster()
        self.executions = ExecutionStore(self.cluster)
        self.captures = Captures(self.cluster, self.executions, clock=virtual_clock())
        self.stop = Stop()
        self.workflow = planned(make_workflow([scale_step("web", replicas=3)]))
        self.cluster.put(DEPLOYMENT, live_deployment())

    async def claimed(self, *, attempt: int = 1, convergent: bool = False) -> KubernetesExecution:
        """Claim an attempt as the executor does."""
        execution = execution_of(self.workflow, "web", attempt=attempt)
        spec = msgspec.structs.replace(execution.spec, convergent=convergent)
        execution = msgspec.structs.replace(execution, spec=spec)
        live = self.target()
        inverse = await self.captures.inverse(execution, _mutation(execution), live)
        status = claims.claimed(execution, holder="e", now=virtual_clock().now(), inverse=inverse)
        self.cluster.put(
            KUBERNETES_EXECUTION, stored(msgspec.structs.replace(execution, status=status))
        )
        found = await self.executions.fetch("default", execution.metadata.name)
        assert found is not None
        return found

    def effect(self, claim: KubernetesExecution) -> Effect:
        """Return the effect of a claim that has five minutes from its start."""
        assert claim.status.start_time is not None
        return Effect(
            self.cluster,
            self.executions,
            claim,
            clock=virtual_clock(),
            deadline=claim.status.start_time + timedelta(seconds=LIMIT_S),
            stop=self.stop,
        )

    def target(self) -> Object:
        """Return the Deployment as it is."""
        return self.cluster.get(DEPLOYMENT, "web")

    def roll_out(self) -> None:
        """Do as the Deployment controller: make all replicas available."""
        live = self.target()
        wanted = live["spec"]["replicas"]
        for count in ("replicas", "updatedReplicas", "availableReplicas"):
            live["status"][count] = wanted
        self.cluster.put(DEPLOYMENT, live)

    def change(self, **spec: object) -> None:
        """Do as somebody else who changes the Deployment."""
        live = self.target()
        live["spec"] |= spec
        self.cluster.put(DEPLOYMENT, live)

    def hold(self, phase: ExecutionPhase = ExecutionPhase.RUNNING) -> KubernetesExecution:
        """Let an execution of another workflow hold the Deployment."""
        other = make_workflow([scale_step("web")], name="other")
        other = msgspec.structs.replace(
            other, metadata=msgspec.structs.replace(other.metadata, uid=OTHER)
        )
        holder = execution_of(planned(other), "web", claimed=True, phase=phase)
        self.cluster.put(KUBERNETES_EXECUTION, stored(holder))
        live = self.target()
        live["metadata"]["annotations"][LOCKED_BY_ANNOTATION] = locks.held(live, holder)
        self.cluster.put(DEPLOYMENT, live)
        return holder


def _mutation(execution: KubernetesExecution) -> Mutation:
    mutation = mutation_of(execution)
    assert mutation is not None
    return mutation


def _at(seconds: float, act: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    loop.call_at(seconds, act)


async def _carry_out(stage: Stage, claim: KubernetesExecution) -> Effect:
    effect = stage.effect(claim)
    await effect.apply(_mutation(claim))
    await effect.settle(_mutation(claim))
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
        assert await settling.look(_mutation(claim)) is False
        settled = stage.target()

        with pytest.raises(FencedError, match="settled without this change"):
            await stage.effect(claim).apply(_mutation(claim))

        assert stage.target() == settled
        assert settled["spec"]["replicas"] == 2

    run(scenario())


def test_row_56_a_step_taken_over_has_no_more_time_than_the_first_claim() -> None:
    async def scenario() -> None:
        stage = Stage()
        claim = await stage.claimed()
        await asyncio.sleep(LIMIT_S)
        again = claims.claimed(claim, holder="f", now=virtual_clock().now(), inverse=None)
        taken = await stage.executions.write_status(claim, again)

        error = await _refused(stage.effect(taken).apply(_mutation(taken)))

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

        error = await _refused(stage.effect(claim).wait_for(wanted))

        assert "Deployment absent does not exist yet" in str(error)
        assert virtual_clock().monotonic() == pytest.approx(LIMIT_S)

    run(scenario())


def test_the_write_says_who_holds_the_target() -> None:
    async def scenario() -> None:
        stage = Stage()
        claim = await stage.claimed()

        await stage.effect(claim).apply(_mutation(claim))

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


def test_a_target_that_is_not_let_go_is_waited_for_until_the_limit() -> None:
    async def scenario() -> None:
        stage = Stage()
        claim = await stage.claimed()
        stage.hold()

        error = await _refused(stage.effect(claim).apply(_mutation(claim)))

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

        error = await _refused(stage.effect(claim).apply(_mutation(claim)))

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
        await effect.apply(_mutation(claim))
        done: Done = await effect.settle(_mutation(claim))

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
