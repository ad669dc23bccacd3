"""The shell around approvals: ask people on the API server, and write down what they answer.

Intent before object: what is asked stands in the workflow's status before the request is
created, under a derived name, so a crash between loses nothing. The request is the truth
about the answer: a person and the end of the time meet there by compare-and-swap.
"""

import asyncio

from services.planner.core import approving
from services.planner.core.approving import WHOLE_PLAN
from shared.api.approval import AIApprovalRequest, ApprovalStatus
from shared.api.approval import Decision as Answer
from shared.api.notification import NotificationType, Priority
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import Decision, WorkflowStatus
from shared.contracts.subjects import Fact
from shared.errors import ConflictError
from shared.kube.approvals import ApprovalStore, NotificationStore
from shared.worker.context import Context
from shared.worker.ending import announce_end
from shared.workflow.notifications import notification_for

_ASKED = "approval"


class Approvals:
    """Asks for approvals and takes the answers."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._requests = ApprovalStore(context.cluster)
        self._notifications = NotificationStore(context.cluster)

    async def advance(self, workflow: WorkflowExecution) -> WorkflowExecution | None:
        """Ask what has to be asked and write down what was answered; None when it is gone."""
        opened = await self._open_gates(workflow)
        if opened is None:
            return None
        open_ = approving.pending(opened)
        if not open_:
            return opened
        found = await asyncio.gather(*(self._visit(opened, *each) for each in open_.items()))
        answers = {
            step: answer for step, answer in zip(open_, found, strict=True) if answer is not None
        }
        if not answers:
            await self._wake(opened, open_)
            return opened
        return await self._write_down(opened, answers)

    async def _open_gates(self, workflow: WorkflowExecution) -> WorkflowExecution | None:
        context, meta = self._context, workflow.metadata

        def opened(current: WorkflowExecution) -> WorkflowStatus | None:
            return approving.with_gates(current, context.limits.current, now=context.clock.now())

        if opened(workflow) is None:
            return workflow
        return await context.workflows.update(meta.namespace, meta.name, meta.uid, opened)

    async def _visit(
        self, workflow: WorkflowExecution, step: str, asked: Decision
    ) -> ApprovalStatus | None:
        """Make sure that people are asked; return their answer, if there is one."""
        wanted = approving.request_for(workflow, step, asked, self._context.limits.current)
        request = await self._asked(workflow, wanted)
        if request is None:
            return None
        if not request.is_decided and self._context.clock.now() >= approving.expiry(asked):
            request = await self._expire(request)
        return request.status if request.is_decided else None

    async def _asked(
        self, workflow: WorkflowExecution, wanted: AIApprovalRequest
    ) -> AIApprovalRequest | None:
        context, meta = self._context, wanted.metadata
        found = await self._requests.fetch(meta.namespace, meta.name)
        if found is None:
            found = await self._requests.create(wanted)
            await self._tell(workflow, wanted)
        if approving.is_answer(found, wanted):
            return found
        context.recorder.warning(
            workflow,
            reason="ApprovalMismatch",
            message=f"AIApprovalRequest {meta.name} asks something else; delete it",
        )
        return None

    async def _expire(self, request: AIApprovalRequest) -> AIApprovalRequest:
        """Answer for the person who did not; one who was faster counts."""
        expired = ApprovalStatus(
            decision=Answer.EXPIRED,
            decided_by="mendflow-planner",
            decided_at=self._context.clock.now(),
            message=f"nobody decided within {request.spec.timeout}",
            method="timeout",
        )
        try:
            return await self._requests.decide(request, expired)
        except ConflictError:
            meta = request.metadata
            return await self._requests.fetch(meta.namespace, meta.name) or request

    async def _tell(self, workflow: WorkflowExecution, request: AIApprovalRequest) -> None:
        reason, name = request.spec.reason, request.metadata.name
        self._context.recorder.normal(
            workflow, reason="ApprovalRequested", message=f"{reason}; decide on {name}"
        )
        await self._notifications.create(
            notification_for(
                workflow,
                event=_ASKED,
                type_=NotificationType.ESCALATION,
                priority=Priority.HIGH,
                subject=f"Approval needed: workflow {workflow.metadata.name}: {reason}",
                body="\n".join([f"AIApprovalRequest {name}", *request.spec.changes]),
            )
        )

    async def _wake(self, workflow: WorkflowExecution, open_: dict[str, Decision]) -> None:
        first = min(approving.expiry(asked) for asked in open_.values())
        await self._context.publisher.wake(workflow, at=first, key=_ASKED)

    async def _write_down(
        self, workflow: WorkflowExecution, answers: dict[str, ApprovalStatus]
    ) -> WorkflowExecution | None:
        context, meta = self._context, workflow.metadata

        def answered(current: WorkflowExecution) -> WorkflowStatus | None:
            return approving.answered(current, answers)

        saved = await context.workflows.update(meta.namespace, meta.name, meta.uid, answered)
        if saved is None:
            return None
        for step, answer in answers.items():
            self._record(workflow, saved, step, answer)
        await context.publisher.fact(
            saved, Fact.APPROVAL_DECIDED, occurrence=saved.metadata.resource_version
        )
        await announce_end(context, workflow, saved)
        return saved

    def _record(
        self,
        before: WorkflowExecution,
        saved: WorkflowExecution,
        step: str,
        answer: ApprovalStatus,
    ) -> None:
        context, word = self._context, str(answer.decision)
        about = "the plan" if step == WHOLE_PLAN else f"step {step}"
        message = f"{about}: {word} by {answer.decided_by}"
        granted = answer.decision is Answer.APPROVED
        tell = context.recorder.normal if granted else context.recorder.warning
        tell(saved, reason="ApprovalGranted" if granted else f"Approval{word}", message=message)
        asked = approving.pending(before)[step]
        begun = approving.request_for(before, step, asked, context.limits.current).spec.requested_at
        waited = (context.clock.now() - begun).total_seconds()
        context.metrics.approval_decided(word, max(0.0, waited))
        context.log.info("approval decided", about=about, decision=word)
