"""The shell around approvals: ask people on the API server, and write down what they answer.

Intent before object: what is asked stands in the workflow's status before the request is
created, under a derived name, so a crash between loses nothing. The request is the truth
about the answer: a person and the end of the time meet there by compare-and-swap.
"""

import asyncio
from collections.abc import Mapping

from services.planner.core import approving, requests
from services.planner.core.approving import Heard
from services.planner.core.requests import WHOLE_PLAN
from shared.api.approval import AIApprovalRequest, ApprovalStatus
from shared.api.approval import Decision as Answer
from shared.api.notification import NotificationType, Priority
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import Decision, WorkflowStatus
from shared.contracts.subjects import Fact
from shared.errors import ConflictError, MendflowError, NotFoundError
from shared.kube.approvals import ApprovalStore, NotificationStore
from shared.worker.context import Context
from shared.worker.ending import announce_end
from shared.worker.recent import Recent
from shared.workflow.notifications import notification_for

_ASKED = "approval"


class Approvals:
    """Asks for approvals and takes the answers."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._requests = ApprovalStore(context.cluster)
        self._notifications = NotificationStore(context.cluster)
        self._told = Recent()

    async def advance(self, workflow: WorkflowExecution) -> WorkflowExecution | None:
        """Ask what has to be asked and write down what was answered; None when it is gone."""
        opened = await self._open_gates(workflow)
        if opened is None:
            return None
        open_ = approving.pending(opened)
        if not open_:
            return opened
        found = await asyncio.gather(*(self._visit(opened, *each) for each in open_.items()))
        heard = dict(zip(open_, found, strict=True))
        saved = await self._write_down(opened, heard)
        waiting = approving.pending(saved) if saved is not None else {}
        if saved is not None and waiting:
            first = min(requests.expiry(asked) for asked in waiting.values())
            await self._context.publisher.wake(saved, at=first, key=_ASKED)
        return saved

    async def _open_gates(self, workflow: WorkflowExecution) -> WorkflowExecution | None:
        context, meta = self._context, workflow.metadata

        def opened(current: WorkflowExecution) -> WorkflowStatus | None:
            return approving.with_gates(current, context.limits.current, now=context.clock.now())

        if opened(workflow) is None:
            return workflow
        return await context.workflows.update(meta.namespace, meta.name, meta.uid, opened)

    async def _visit(self, workflow: WorkflowExecution, step: str, asked: Decision) -> Heard:
        """Make sure that people are asked; return what they answered, or what keeps them."""
        wanted = requests.request_for(workflow, step, asked, self._context.limits.current)
        request = await self._asked(wanted)
        await self._tell(workflow, wanted)
        now = self._context.clock.now()
        is_due = now >= requests.expiry(asked)
        if not requests.is_ours(request, wanted):
            obstacle = f"AIApprovalRequest {wanted.metadata.name} asks something else; delete it"
            status = ApprovalStatus(message=obstacle)
            if is_due:
                status = approving.expired(wanted, obstacle=obstacle, now=now)
            return Heard(digest=asked.digest, status=status)
        if is_due and not request.is_decided:
            request = await self._expire(request)
        return Heard(
            digest=asked.digest, status=request.status if request.is_decided else ApprovalStatus()
        )

    async def _asked(self, wanted: AIApprovalRequest) -> AIApprovalRequest:
        meta = wanted.metadata
        found = await self._requests.fetch(meta.namespace, meta.name)
        return found or await self._requests.create(wanted)

    async def _expire(self, request: AIApprovalRequest) -> AIApprovalRequest:
        """Answer for the person who did not; one who was faster counts."""
        expired = approving.expired(request, obstacle="", now=self._context.clock.now())
        try:
            return await self._requests.decide(request, expired)
        except (ConflictError, NotFoundError):
            meta = request.metadata
            return await self._requests.fetch(meta.namespace, meta.name) or request

    async def _tell(self, workflow: WorkflowExecution, request: AIApprovalRequest) -> None:
        """Tell people that they are asked: once, or again after a restart, which repeats it."""
        context, reason, name = self._context, request.spec.reason, request.metadata.name
        if name in self._told:
            return
        context.recorder.normal(
            workflow, reason="ApprovalRequested", message=f"{reason}; decide on {name}"
        )
        await context.publisher.fact(workflow, Fact.APPROVAL_REQUESTED, occurrence=name)
        message = notification_for(
            workflow,
            event=_ASKED,
            type_=NotificationType.ESCALATION,
            priority=Priority.HIGH,
            subject=f"Approval needed: workflow {workflow.metadata.name}: {reason}",
            body="\n".join([f"AIApprovalRequest {name}", *request.spec.changes]),
        )
        try:
            await self._notifications.create(message)
        except MendflowError as error:
            # Whoever finds the request may answer all the same; the next look tries again.
            context.log.warning("nobody could be told", reason=error.reason, error=str(error))
        else:
            self._told.add(name)

    async def _write_down(
        self, workflow: WorkflowExecution, heard: Mapping[str, Heard]
    ) -> WorkflowExecution | None:
        context, meta, now = self._context, workflow.metadata, self._context.clock.now()
        before = workflow

        def answered(current: WorkflowExecution) -> WorkflowStatus | None:
            nonlocal before
            before = current
            return approving.answered(current, heard, now=now)

        if answered(workflow) is None:
            return workflow
        saved = await context.workflows.update(meta.namespace, meta.name, meta.uid, answered)
        if saved is not None:
            await self._announce(before, saved, approving.news_in(before, heard, now=now))
        return saved

    async def _announce(
        self, before: WorkflowExecution, saved: WorkflowExecution, news: Mapping[str, Decision]
    ) -> None:
        context = self._context
        for step, said in news.items():
            if said.decision:
                self._record(before, saved, step, said)
            elif said.message:
                context.recorder.warning(saved, reason="ApprovalMismatch", message=said.message)
        if any(said.decision for said in news.values()):
            await context.publisher.fact(
                saved, Fact.APPROVAL_DECIDED, occurrence=saved.metadata.resource_version
            )
        await announce_end(context, before, saved)

    def _record(
        self, before: WorkflowExecution, saved: WorkflowExecution, step: str, said: Decision
    ) -> None:
        context = self._context
        about = "the plan" if step == WHOLE_PLAN else f"step {step}"
        message = f"{about}: {said.decision} by {said.decided_by}"
        granted = said.decision == Answer.APPROVED
        tell = context.recorder.normal if granted else context.recorder.warning
        reason = "ApprovalGranted" if granted else f"Approval{said.decision}"
        tell(saved, reason=reason, message=message)
        asked = requests.request_for(before, step, said, context.limits.current).spec.requested_at
        waited = (context.clock.now() - asked).total_seconds()
        context.metrics.approval_decided(said.decision, max(0.0, waited))
        if said.decision == Answer.EXPIRED:
            context.metrics.timeout_exceeded("approval")
        context.log.info("approval decided", about=about, decision=said.decision)
