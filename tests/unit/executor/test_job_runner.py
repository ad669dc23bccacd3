"""A Job in virtual time: answers that get lost, claims that are gone, ends in between."""

import asyncio
from collections.abc import Awaitable, Callable
from copy import deepcopy
from datetime import timedelta
from typing import Any, Final

import msgspec
import pytest

from services.executor.core.changes import RefusedError
from services.executor.core.job_building import from_template, job_name
from services.executor.held import HeldClaim
from services.executor.jobs import JobRunner
from services.executor.ledger import LedgerCluster
from services.executor.stop import Stop
from shared.api.enums import Action, ErrorType, ExecutionKind, Intent
from shared.api.execution import EffectRecord, KubernetesExecution
from shared.api.groups import JOB, KUBERNETES_EXECUTION, POD, POD_TEMPLATE, Kind
from shared.errors import (
    ConflictError,
    FencedError,
    MendflowError,
    NotFoundError,
    PermanentError,
    TransientError,
)
from shared.kube.port import Listing, Object
from shared.kube.store import ExecutionStore
from tests.support.builders import UID
from tests.support.jobs import FAILOVER, JOB_UID, claim_of, ended, exited, pod, pod_template
from tests.support.virtual_time import run, virtual_clock
from tests.unit.executor.little_cluster import LittleCluster, stored

TEMPLATE: Final = (POD_TEMPLATE, "failover-database")
NAME: Final = job_name(claim_of().metadata.name)


def going(job: Object) -> Object:
    """Return a Job that is deleted, and that a finalizer holds."""
    told = {"deletionTimestamp": "2026-01-02T00:00:00Z", "finalizers": ["foregroundDeletion"]}
    return job | {"metadata": job["metadata"] | told}


class JobCluster(LittleCluster):
    """An API server that makes Jobs, loses answers, and deletes."""

    def __init__(self) -> None:
        super().__init__()
        self.put(POD_TEMPLATE, pod_template())
        self.created = 0
        self.losing_creations: list[str] = []
        """What is lost of the next creations: the `answer`, or the `request` already.

        Under `load` they are refused.
        """
        self.on_created: Callable[[], object] = lambda: None
        self.on_logs: Callable[[], object] = lambda: None
        self.on_lost: Callable[[], object] = lambda: None
        self.refusing: MendflowError | None = None
        """What deletions are answered with."""
        self.deletions = 0
        self.pods: list[Object] = []
        self.pods_stay = False
        self.written: str | MendflowError = "all is well\n"

    async def create(self, kind: Kind, body: Object, *, namespace: str = "") -> Object:
        """Store a Job under a uid of its own."""
        losing = self.losing_creations.pop(0) if self.losing_creations else ""
        if losing == "load":
            self.on_lost()
            raise TransientError("TooManyRequests", "slow down")
        if losing == "request":
            self.on_lost()
            raise TransientError("ApiUnavailable", "lost on the way")
        made = deepcopy(body)
        made["metadata"]["uid"] = JOB_UID
        made = await super().create(kind, made, namespace=namespace)
        self.created += 1
        self.on_created()
        if losing == "answer":
            raise TransientError("ApiUnavailable", "the answer was lost")
        return made

    async def delete(
        self,
        kind: Kind,
        name: str,
        *,
        uid: str,
        namespace: str = "",
        resource_version: str = "",
        grace_s: int | None = None,
    ) -> Object:
        """Take an object away, and its pods; with a finalizer it stays for now."""
        del namespace, resource_version, grace_s
        self.deletions += 1
        if self.refusing is not None:
            raise self.refusing
        live = self._objects.get((kind.kind, name))
        if live is None:
            raise NotFoundError("NotFound", name)
        if live["metadata"]["uid"] != uid:
            raise ConflictError("Conflict", name)
        if not self.pods_stay:
            self.pods = []
        if live["metadata"].get("finalizers"):
            self.put(kind, going(live))
            return self.get(kind, name)
        return self._objects.pop((kind.kind, name))

    async def list(self, kind: Kind, *, namespace: str = "", label_selector: str = "") -> Listing:
        """Return the pods."""
        assert kind is POD
        assert label_selector in {
            f"batch.kubernetes.io/controller-uid={JOB_UID}",
            f"batch.kubernetes.io/job-name={NAME},kubernaut.ai/workflow-uid={UID}",
        }
        del namespace
        return Listing(items=self.pods, resource_version="1")

    async def logs(self, pod: str, *, namespace: str, container: str, limit_bytes: int) -> str:
        """Return what was written."""
        del pod, namespace, container
        self.on_logs()
        if isinstance(self.written, MendflowError):
            raise self.written
        return self.written[-limit_bytes:]

    def end(self, condition: str, reason: str = "") -> None:
        """Let the Job end."""
        self.put(JOB, ended(self.get(JOB, NAME), condition, reason))


class Stage:
    """One claim, and who runs its Job."""

    def __init__(self) -> None:
        self.cluster = JobCluster()
        self.stop = Stop()
        self.executions = ExecutionStore(self.cluster)
        self.claim = claim_of()
        self.cluster.put(KUBERNETES_EXECUTION, stored(self.claim))

    def runner(self, *, seconds: float = 300) -> JobRunner:
        """Return a runner with so much time left."""
        clock = virtual_clock()
        held = HeldClaim(self.executions, self.claim)
        return JobRunner(
            LedgerCluster(self.cluster, held),
            held,
            clock=clock,
            deadline=clock.now() + timedelta(seconds=seconds),
            stop=self.stop,
            image="",
        )

    def settles(self) -> None:
        """Let the execution be the one that settles a deleted one."""
        spec = msgspec.structs.replace(
            self.claim.spec, intent=Intent.SETTLE, kind=ExecutionKind.SETTLE
        )
        meta = msgspec.structs.replace(self.claim.metadata, name="the-settling-one")
        self.claim = msgspec.structs.replace(self.claim, metadata=meta, spec=spec)
        self.with_status()

    def with_status(self, **fields: Any) -> None:
        """Let the status of the execution be another one, as its claim says."""
        status = msgspec.structs.replace(self.claim.status, **fields)
        self.claim = msgspec.structs.replace(self.claim, status=status)
        self.cluster.put(KUBERNETES_EXECUTION, stored(self.claim))


async def _refused(work: Awaitable[object]) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        await work
    return caught.value


def _in(scenario: Callable[[Stage], Awaitable[None]]) -> None:
    async def played() -> None:
        await scenario(Stage())

    run(played())


def test_a_lost_answer_makes_no_second_job() -> None:
    async def scenario(stage: Stage) -> None:
        stage.cluster.losing_creations = ["request", "answer"]
        stage.cluster.on_created = lambda: stage.cluster.end("Complete")

        outcome = await stage.runner().run(FAILOVER, Action.FAILOVER_DATABASE)

        assert outcome.done.result.success
        assert outcome.job_name == NAME
        assert stage.cluster.created == 1

    _in(scenario)


def test_who_lost_the_claim_creates_nothing() -> None:
    async def scenario(stage: Stage) -> None:
        ours = stage.claim
        stage.with_status(claimed_by="executor-1", claim_fence=2)
        stage.claim = ours

        with pytest.raises(FencedError):
            await stage.runner().run(FAILOVER, Action.FAILOVER_DATABASE)

        assert stage.cluster.created == 0

    _in(scenario)


def test_cancelled_before_its_creation_there_is_no_job() -> None:
    async def scenario(stage: Stage) -> None:
        stage.stop.ask()

        error = await _refused(stage.runner().run(FAILOVER, Action.FAILOVER_DATABASE))

        assert (error.error, str(error)) == (
            ErrorType.CANCELLED,
            "cancelled before the Job was created",
        )
        assert stage.cluster.created == 0

    _in(scenario)


def test_a_creation_on_its_way_is_seen_through_before_a_cancellation() -> None:
    async def scenario(stage: Stage) -> None:
        stage.cluster.losing_creations = ["request"]
        stage.cluster.on_lost = stage.stop.ask

        error = await _refused(stage.runner().run(FAILOVER, Action.FAILOVER_DATABASE))

        assert error.error is ErrorType.CANCELLED
        assert "the Job was stopped" in str(error)
        assert stage.cluster.created == 1
        assert await stage.cluster.read(JOB, NAME) is None

    _in(scenario)


def test_a_creation_that_was_refused_is_not_asked_for_again_after_a_cancellation() -> None:
    async def scenario(stage: Stage) -> None:
        stage.cluster.losing_creations = ["load"]
        stage.cluster.on_lost = stage.stop.ask

        error = await _refused(stage.runner().run(FAILOVER, Action.FAILOVER_DATABASE))

        assert str(error) == "cancelled before the Job was created"
        assert stage.cluster.created == 0

    _in(scenario)


def test_a_job_that_was_found_does_not_run_again_once_it_is_gone() -> None:
    async def scenario(stage: Stage) -> None:
        stage.cluster.losing_creations = ["answer"]
        first = asyncio.create_task(stage.runner().run(FAILOVER, Action.FAILOVER_DATABASE))
        await asyncio.sleep(1)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await stage.cluster.delete(JOB, NAME, uid=JOB_UID)
        taken_up = await stage.executions.fetch("default", stage.claim.metadata.name)
        assert taken_up is not None
        stage.claim = taken_up

        error = await _refused(stage.runner().run(FAILOVER, Action.FAILOVER_DATABASE))

        assert (error.error, error.reason) == (ErrorType.UNKNOWN_ERROR, "Unknown")
        assert stage.cluster.created == 1
        assert [(each.verb, each.uid, each.answered) for each in taken_up.status.effects] == [
            ("create", JOB_UID, True)
        ]

    _in(scenario)


def test_a_job_that_is_being_deleted_is_not_deleted_once_more() -> None:
    async def scenario(stage: Stage) -> None:
        stage.cluster.pods = [pod("p", "Running", main={"running": {}})]
        loop = asyncio.get_running_loop()
        loop.call_at(2, lambda: stage.cluster.put(JOB, going(stage.cluster.get(JOB, NAME))))
        loop.call_at(20, stage.cluster.pods.clear)
        loop.call_at(20, lambda: stage.cluster._objects.pop((JOB.kind, NAME)))

        error = await _refused(stage.runner().run(FAILOVER, Action.FAILOVER_DATABASE))

        assert str(error).startswith("the Job was deleted before it ended")
        assert stage.cluster.deletions == 0
        assert await stage.cluster.read(JOB, NAME) is None

    _in(scenario)


def test_a_job_that_stays_for_a_finalizer_is_deleted_once() -> None:
    async def scenario(stage: Stage) -> None:
        def held() -> None:
            live = stage.cluster.get(JOB, NAME)
            live["metadata"]["finalizers"] = ["example.org/keep"]
            stage.cluster.put(JOB, live)

        asyncio.get_running_loop().call_at(1, held)

        error = await _refused(stage.runner(seconds=5).run(FAILOVER, Action.FAILOVER_DATABASE))

        assert error.error is ErrorType.TIMEOUT
        assert stage.cluster.deletions == 1

    _in(scenario)


def test_that_a_job_was_created_is_on_record_while_it_runs() -> None:
    async def scenario(stage: Stage) -> None:
        seen: list[KubernetesExecution | None] = []

        async def look() -> None:
            await asyncio.sleep(1)
            seen.append(await stage.executions.fetch("default", stage.claim.metadata.name))
            stage.cluster.end("Complete")

        looking = asyncio.create_task(look())
        await stage.runner().run(FAILOVER, Action.FAILOVER_DATABASE)
        await looking

        (found,) = seen
        assert found is not None
        assert found.status.progress == f"Job default/{NAME} runs"
        assert [(each.verb, each.uid) for each in found.status.effects] == [("create", JOB_UID)]

    _in(scenario)


@pytest.mark.parametrize(
    "record",
    [
        {"job_name": NAME},
        {"effects": [EffectRecord(verb="create", kind="Job", name=NAME, uid=JOB_UID)]},
    ],
)
def test_a_job_that_was_created_and_is_gone_does_not_run_again(record: dict[str, Any]) -> None:
    async def scenario(stage: Stage) -> None:
        stage.with_status(**record)

        error = await _refused(stage.runner().run(FAILOVER, Action.FAILOVER_DATABASE))

        assert (error.error, error.reason) == (ErrorType.UNKNOWN_ERROR, "Unknown")
        assert stage.cluster.created == 0

    _in(scenario)


def test_an_execution_that_settles_ends_the_lost_job_and_runs_none() -> None:
    async def scenario(stage: Stage) -> None:
        lost = from_template(
            stage.claim, Action.FAILOVER_DATABASE, FAILOVER, stage.cluster.get(*TEMPLATE)
        )
        lost["metadata"]["uid"] = JOB_UID
        stage.cluster.put(JOB, lost)
        stage.cluster.pods = [pod("p", "Running", main={"running": {}})]
        stage.settles()
        runner = stage.runner()

        error = await _refused(runner.run(FAILOVER, Action.FAILOVER_DATABASE))
        again = await _refused(stage.runner().run(FAILOVER, Action.FAILOVER_DATABASE))

        assert (error.error, error.reason) == (ErrorType.UNKNOWN_ERROR, "Unknown")
        assert str(error) == str(again) == "its execution was deleted, and its Job with it"
        assert (runner.job_name, runner.logs) == (NAME, "all is well")
        assert stage.cluster.created == 0
        assert await stage.cluster.read(JOB, NAME) is None
        assert stage.cluster.pods == []

    _in(scenario)


def test_an_execution_that_was_deleted_and_made_again_runs_no_second_job() -> None:
    async def scenario(stage: Stage) -> None:
        lost = from_template(
            stage.claim, Action.FAILOVER_DATABASE, FAILOVER, stage.cluster.get(*TEMPLATE)
        )
        lost["metadata"]["uid"] = JOB_UID
        stage.cluster.put(JOB, lost)
        meta = msgspec.structs.replace(stage.claim.metadata, uid="uid-of-the-second")
        stage.claim = msgspec.structs.replace(stage.claim, metadata=meta)
        stage.with_status()

        error = await _refused(stage.runner().run(FAILOVER, Action.FAILOVER_DATABASE))

        assert (error.error, error.reason) == (ErrorType.UNKNOWN_ERROR, "Unknown")
        assert str(error) == "its execution was deleted, and its Job with it"
        assert stage.cluster.created == 0
        assert await stage.cluster.read(JOB, NAME) is None

    _in(scenario)


def test_pods_of_a_lost_job_that_is_gone_before_them_are_waited_for() -> None:
    async def scenario(stage: Stage) -> None:
        stage.settles()
        stage.cluster.pods = [pod("p", "Running", main={"running": {}})]
        asyncio.get_running_loop().call_at(20, stage.cluster.pods.clear)
        runner = stage.runner()

        error = await _refused(runner.run(FAILOVER, Action.FAILOVER_DATABASE))

        assert str(error) == "its execution was deleted, and its Job with it"
        assert stage.cluster.pods == []
        assert (runner.job_name, runner.logs) == (NAME, "all is well")

    _in(scenario)


def test_out_of_time_nothing_is_created_and_what_ended_in_time_counts() -> None:
    async def scenario(stage: Stage) -> None:
        late = await _refused(stage.runner(seconds=-1).run(FAILOVER, Action.FAILOVER_DATABASE))
        assert late.error is ErrorType.TIMEOUT
        assert stage.cluster.created == 0

        stage.cluster.on_created = lambda: stage.cluster.end("Complete")
        await stage.runner().run(FAILOVER, Action.FAILOVER_DATABASE)
        outcome = await stage.runner(seconds=-1).run(FAILOVER, Action.FAILOVER_DATABASE)

        assert outcome.done.result.success

    _in(scenario)


def test_a_failed_job_stays_for_people_to_look_at() -> None:
    async def scenario(stage: Stage) -> None:
        stage.cluster.pods = [pod("p", "Failed", main=exited(3))]
        stage.cluster.on_created = lambda: stage.cluster.end("Failed", "BackoffLimitExceeded")
        runner = stage.runner()

        error = await _refused(runner.run(FAILOVER, Action.FAILOVER_DATABASE))

        assert str(error) == "the Job failed; container main of pod p ended with exit code 3"
        assert (runner.job_name, runner.logs) == (NAME, "all is well")
        assert await stage.cluster.read(JOB, NAME) is not None

    _in(scenario)


@pytest.mark.parametrize(
    "why", [PermanentError("Invalid", "not started"), TransientError("ApiUnavailable", "down")]
)
def test_a_log_that_cannot_be_read_is_a_warning(why: MendflowError) -> None:
    async def scenario(stage: Stage) -> None:
        stage.cluster.pods = [pod("p", "Succeeded", main=exited(0))]
        stage.cluster.written = why
        stage.cluster.on_created = lambda: stage.cluster.end("Complete")

        outcome = await stage.runner().run(FAILOVER, Action.FAILOVER_DATABASE)

        assert outcome.logs == ""
        assert outcome.done.result.warnings == [f"no log: {why}"]

    _in(scenario)


def test_pods_that_do_not_end_are_named() -> None:
    async def scenario(stage: Stage) -> None:
        stage.cluster.pods = [pod("stubborn", "Running", main={"running": {}})]
        stage.cluster.pods_stay = True

        error = await _refused(stage.runner(seconds=5).run(FAILOVER, Action.FAILOVER_DATABASE))

        assert error.error is ErrorType.TIMEOUT
        assert "container main of pod stubborn runs" in str(error)
        assert str(error).endswith("still ending: stubborn")
        assert await stage.cluster.read(JOB, NAME) is None

    _in(scenario)


def test_a_job_that_may_not_be_deleted_is_told() -> None:
    async def scenario(stage: Stage) -> None:
        stage.cluster.refusing = PermanentError("Forbidden", "delete jobs: no")

        error = await _refused(stage.runner(seconds=5).run(FAILOVER, Action.FAILOVER_DATABASE))

        assert str(error).endswith("it could not be stopped: delete jobs: no")

    _in(scenario)


def test_a_job_that_completes_before_it_could_be_stopped_is_complete() -> None:
    async def scenario(stage: Stage) -> None:
        stage.cluster.pods = [pod("p", "Running", main={"running": {}})]
        stage.cluster.on_logs = lambda: stage.cluster.end("Complete")

        late = await stage.runner(seconds=5).run(FAILOVER, Action.FAILOVER_DATABASE)

        assert late.done.result.success
        assert late.logs == "all is well"
        assert await stage.cluster.read(JOB, NAME) is not None

    _in(scenario)


def test_a_job_that_ends_while_it_is_to_be_stopped_is_not_deleted() -> None:
    async def scenario(stage: Stage) -> None:
        runner = stage.runner(seconds=5)
        stage.cluster.refusing = TransientError("ApiUnavailable", "try again")
        asyncio.get_running_loop().call_at(
            6, lambda: stage.cluster.end("Failed", "BackoffLimitExceeded")
        )

        error = await _refused(runner.run(FAILOVER, Action.FAILOVER_DATABASE))

        assert error.error is ErrorType.TIMEOUT
        assert await stage.cluster.read(JOB, NAME) is not None

    _in(scenario)
