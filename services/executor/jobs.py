"""Runs one attempt as a Job: creates it once, waits for its end, keeps the end of its log.

The Job is named after the execution and owned by it, so that whoever takes the attempt up finds
the Job that is there. One that is not wanted any more is deleted, and its pods are waited for:
a step ends when nothing of it runs.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from services.executor.core import changes, dry_runs, job_building, jobs
from services.executor.core.changes import Address, Broken, Done, NotYet, RefusedError, Verdict
from services.executor.core.jobs import Picked
from services.executor.held import HeldClaim
from services.executor.ledger import LedgerCluster
from services.executor.settling import Settling
from services.executor.stop import Stop
from shared.api.actions.jobs import ByTemplate
from shared.api.enums import Action, ErrorType, Intent
from shared.api.groups import JOB, POD, POD_TEMPLATE
from shared.api.meta import WORKFLOW_UID_LABEL
from shared.clock import Clock
from shared.effects.targets import template_of
from shared.errors import (
    AlreadyExistsError,
    ConflictError,
    MendflowError,
    NotFoundError,
    PermanentError,
    TransientError,
)
from shared.kube.errors import OVERLOAD
from shared.kube.port import Object
from shared.kube.selectors import labels_query
from shared.telemetry import foreign_logs
from shared.workflow.undone import UNKNOWN

if TYPE_CHECKING:
    from shared.api.results import DryRunResults

_RETRY_S: Final = 0.2
_END_WITHIN: Final = timedelta(seconds=45)
"""Longer than any pod of a Job gets to end."""
_MAX_MESSAGE: Final = 256
_STOPPED: Final = "the Job was stopped; what it had done by then stays"
_UID_LABEL: Final = "batch.kubernetes.io/controller-uid"
_NAME_LABEL: Final = "batch.kubernetes.io/job-name"


class JobOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """A Job that completed."""

    done: Done
    job_name: str
    logs: str


class JobRunner:
    """Runs the Job of one claimed execution."""

    def __init__(
        self,
        cluster: LedgerCluster,
        held: HeldClaim,
        *,
        clock: Clock,
        deadline: datetime,
        stop: Stop,
        image: str,
    ) -> None:
        """Build it; nothing is created yet.

        Args:
            cluster: on whose behalf the Job is created.
            held: the execution, under our claim.
            clock: what the deadline is measured by.
            deadline: when the attempt is out of time.
            stop: asks for its end.
            image: what commands run in; empty where none is configured.
        """
        self._cluster = cluster
        self._held = held
        self._clock = clock
        self._deadline = deadline
        self._stop = stop
        self._image = image
        self._settling = Settling(cluster, clock=clock, deadline=deadline, stop=stop)
        self._address = Address(
            kind=JOB, name=job_building.name_for(held.now), namespace=held.now.metadata.namespace
        )
        self._unanswered = False
        """Whether a creation may still be on its way."""
        self.job_name = ""
        """The Job, once there is one; kept also where `run` raises."""
        self.logs = ""
        """The end of its log, where it could be read; kept also where `run` raises."""
        self.dry_run: DryRunResults | None = None
        """What the dry run found; None where nothing was tried."""

    async def run(self, parameters: ByTemplate, action: Action) -> JobOutcome:
        """Return once the Job is complete.

        Raises:
            RefusedError: when it cannot run, failed, ran out of time, or was stopped.
            PermanentError: when the API server refuses it.
            FencedError: when the claim is gone.
            TransientError: when the attempt is to be taken up again.
        """
        if self._held.now.spec.intent is Intent.SETTLE:
            raise await self._settled()
        job = await self._job(parameters, action)
        self.job_name, uid = self._address.name, job["metadata"]["uid"]

        def judged(live: Object | None) -> Verdict:
            return jobs.judge(live, uid=uid, action=action)

        try:
            done = await self._until_ended(job, judged)
        except RefusedError as error:
            explained = await self._explained(uid, error)
            done_after_all = await self._completed(judged)
            if done_after_all is None:
                raise explained from error
            done = done_after_all
        warning = await self._read_log(jobs.picked(await self._pods(uid)))
        result = msgspec.structs.replace(
            done.result,
            resources_affected=[str(self._address)],
            warnings=[warning[:_MAX_MESSAGE]] if warning else [],
        )
        return JobOutcome(done=Done(result=result), job_name=self.job_name, logs=self.logs)

    async def _until_ended(self, job: Object, judge: Callable[[Object | None], Verdict]) -> Done:
        # One that is taken up late may have ended in time.
        match judge(job):
            case Done() as done:
                return done
            case Broken() as broken:
                raise broken.as_error()
            case NotYet():
                pass
        return await self._settling.wait(self._address, judge, if_stopped=_STOPPED)

    async def _job(self, parameters: ByTemplate, action: Action) -> Object:
        """Return the Job of this attempt, created unless it is there."""
        body: Object | None = None
        while True:
            try:
                live = await self._existing()
                if live is not None:
                    await self._put_on_record(live)
                    return live
                if not self._unanswered:
                    self._refuse_to_create()
                if self._clock.now() >= self._deadline:
                    raise changes.too_late(f"{self._address} to be created")
                body = body or await self._body(parameters, action)
                await self._held.confirm()
                return await self._created(body)
            except AlreadyExistsError:
                continue
            except TransientError:
                if self._clock.now() >= self._deadline:
                    raise
                await asyncio.sleep(_RETRY_S)

    async def _created(self, body: Object) -> Object:
        """Create the Job, and put on record that it was."""
        before, self._unanswered = self._unanswered, True
        try:
            made = await self._cluster.create(JOB, body, namespace=self._address.namespace)
        except TransientError as error:
            if error.reason == OVERLOAD:
                self._unanswered = before
            raise
        await self._held.keep(progress=f"{self._address} runs")
        return made

    async def _put_on_record(self, live: Object) -> None:
        """See to it that the Job that is there is known to be made, also once it is gone."""
        if not jobs.was_created(self._held.written):
            self._cluster.saw(JOB, live, before="")
            await self._held.keep(progress=f"{self._address} runs")

    async def _existing(self) -> Object | None:
        address = self._address
        live = await self._cluster.read(JOB, address.name, namespace=address.namespace)
        if live is None or jobs.is_ours(live, self._held.now):
            return live
        if jobs.is_of_workflow(live, self._held.now):
            raise await self._settled()
        raise RefusedError(
            ErrorType.RESOURCE_CONFLICT,
            f"{address} belongs to somebody else; delete or rename it",
            reason="NameCollision",
        )

    def _refuse_to_create(self) -> None:
        """Stop before a Job that is not wanted any more, or that ran once already."""
        if jobs.was_created(self._held.now):
            self.job_name = self._address.name
            raise RefusedError(ErrorType.UNKNOWN_ERROR, jobs.GONE, reason=UNKNOWN)
        if self._stop.asked:
            raise changes.cancelled("cancelled before the Job was created")

    async def _body(self, parameters: ByTemplate, action: Action) -> Object:
        claim = self._held.now
        if job_building.by_command(parameters):
            body = job_building.from_command(claim, action, parameters, image=self._image)
        else:
            template = await self._template(template_of(action, parameters))
            body = job_building.from_template(claim, action, parameters, template)
        if claim.spec.dry_run:
            await self._try(body)
        return body

    async def _template(self, name: str) -> Object:
        namespace = self._address.namespace
        found = await self._cluster.read(POD_TEMPLATE, name, namespace=namespace)
        if found is None:
            message = f"there is no PodTemplate {name} in namespace {namespace} any more"
            raise RefusedError(ErrorType.RESOURCE_NOT_FOUND, message)
        return found

    async def _try(self, body: Object) -> None:
        """Have the creation judged first. Raises PermanentError when it would be refused."""
        try:
            tried = await self._cluster.dry_create(JOB, body, namespace=self._address.namespace)
        except PermanentError as error:
            self.dry_run = dry_runs.refused(self._held.now, self._address, str(error))
            raise PermanentError(error.reason, f"dry run: {error}") from error
        self.dry_run = dry_runs.passed(self._held.now, self._address, tried.warnings)

    async def _settled(self) -> RefusedError:
        """End what runs of an attempt whose execution was deleted, and return its outcome.

        Its Job is deleted with it sooner or later; what it had done by then, nobody knows.
        """
        address = self._address
        live = await self._cluster.read(JOB, address.name, namespace=address.namespace)
        parts = ["its execution was deleted, and its Job with it"]
        if live is None or jobs.is_of_workflow(live, self._held.now):
            uid = "" if live is None else live["metadata"]["uid"]
            pods = await self._pods(uid)
            if uid or pods:
                self.job_name = address.name
                await self._read_log(jobs.picked(pods))
            parts.append(await self._end(uid))
        message = "; ".join(filter(None, parts))[:_MAX_MESSAGE]
        return RefusedError(ErrorType.UNKNOWN_ERROR, message, reason=UNKNOWN)

    async def _explained(self, uid: str, error: RefusedError) -> RefusedError:
        """Return the error with what the pods tell; end what still runs of the Job.

        The log is read first: with the Job, its pods go, and their logs.
        """
        found = jobs.picked(await self._pods(uid))
        await self._read_log(found)
        parts = [str(error)]
        if found is not None and found.state:
            parts.append(f"container {found.container} of pod {found.pod} {found.state}")
        left = await self._end(uid)
        if left:
            parts.append(left)
        return RefusedError(error.error, "; ".join(parts)[:_MAX_MESSAGE], reason=error.reason)

    async def _completed(self, judge: Callable[[Object | None], Verdict]) -> Done | None:
        """Return the outcome of a Job that completed before it could be stopped."""
        address = self._address
        try:
            verdict = judge(
                await self._cluster.read(JOB, address.name, namespace=address.namespace)
            )
        except MendflowError:
            return None
        return verdict if isinstance(verdict, Done) else None

    async def _end(self, uid: str) -> str:
        """Delete the Job unless it has ended, and return what still runs of it, or nothing."""
        until = self._clock.now() + _END_WITHIN
        left = "the Job may still run, the API server does not answer"
        while self._clock.now() < until:
            try:
                if await self._is_over(uid):
                    return ""
                pods = jobs.running(await self._listed(uid))
                if not pods and await self._is_gone(uid):
                    return ""
                left = f"still ending: {', '.join(pods) or self._address}"
            except TransientError:
                pass
            except PermanentError as error:
                return f"it could not be stopped: {error}"
            await asyncio.sleep(_RETRY_S)
        return left

    async def _is_over(self, uid: str) -> bool:
        """Return whether the Job has ended by itself; delete it if not."""
        address = self._address
        live = await self._cluster.read(JOB, address.name, namespace=address.namespace)
        if live is None or live["metadata"]["uid"] != uid:
            return False
        if jobs.has_ended(live):
            return True
        if live["metadata"].get("deletionTimestamp"):
            return False
        try:
            await self._cluster.delete(JOB, address.name, uid=uid, namespace=address.namespace)
        except (ConflictError, NotFoundError):
            return False
        return False

    async def _is_gone(self, uid: str) -> bool:
        address = self._address
        live = await self._cluster.read(JOB, address.name, namespace=address.namespace)
        return live is None or live["metadata"]["uid"] != uid

    async def _pods(self, uid: str) -> list[Object]:
        """Return the pods of the Job, or none where they may not or cannot be seen now."""
        try:
            return await self._listed(uid)
        except MendflowError:
            return []

    async def _listed(self, uid: str) -> list[Object]:
        """Return the pods of the Job of that uid, or those that an unknown one left behind."""
        address, workflow = self._address, self._held.now.spec.workflow_execution_ref
        left_behind = {_NAME_LABEL: address.name, WORKFLOW_UID_LABEL: workflow.uid}
        listing = await self._cluster.list(
            POD,
            namespace=address.namespace,
            label_selector=labels_query({_UID_LABEL: uid} if uid else left_behind),
        )
        return listing.items

    async def _read_log(self, found: Picked | None) -> str:
        """Keep the end of the log, and return why there is none, or nothing."""
        if found is None:
            return "no log: the Job has no pod that can be seen"
        try:
            text = await self._cluster.logs(
                found.pod,
                namespace=self._address.namespace,
                container=found.container,
                limit_bytes=foreign_logs.READ_BYTES,
            )
        except MendflowError as error:
            return f"no log: {error}"
        self.logs = foreign_logs.kept(text)
        return ""
