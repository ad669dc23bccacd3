"""What people are told about a workflow: one message for each event, at most."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from shared.api.meta import CORRELATION_ANNOTATION, WORKFLOW_UID_LABEL, ObjectMeta
from shared.api.notification import (
    Channel,
    NotificationRequest,
    NotificationSpec,
    NotificationType,
    Priority,
    Recipient,
)
from shared.api.workflow import WorkflowExecution
from shared.workflow.executions import correlation_of, owner_of

DEFAULT_RECIPIENTS: Final = (Recipient(slack="#sre"),)
_MAX_NAME: Final = 253
_MAX_SUBJECT: Final = 500
_MAX_BODY: Final = 10_000
_HASH_LENGTH: Final = 8


def notification_for(
    workflow: WorkflowExecution,
    *,
    event: str,
    type_: NotificationType,
    priority: Priority,
    subject: str,
    body: str,
    recipients: Sequence[Recipient] = DEFAULT_RECIPIENTS,
    channels: Sequence[Channel] = (Channel.CONSOLE,),
) -> NotificationRequest:
    """Return a message about a workflow, owned by it and named after the event.

    Args:
        workflow: what it is about.
        event: one of failed, rollback-failed, degraded, approval, timeout; part of the name,
            so that there is one message for each.
        type_: what kind of message it is.
        priority: how urgent it is.
        subject: one line, cut to 500 characters.
        body: the message, cut to 10,000 characters; the subject when empty.
        recipients: who is told, at least one, each with an address.
        channels: by which ways, at least one.
    """
    meta = workflow.metadata
    return NotificationRequest(
        metadata=ObjectMeta(
            name=notification_name(workflow, event),
            namespace=meta.namespace,
            labels={WORKFLOW_UID_LABEL: str(meta.uid)},
            annotations={CORRELATION_ANNOTATION: correlation_of(workflow)},
            owner_references=[owner_of(workflow)],
        ),
        spec=NotificationSpec(
            type=type_,
            priority=priority,
            recipients=list(recipients),
            subject=subject[:_MAX_SUBJECT],
            body=(body or subject)[:_MAX_BODY],
            channels=list(channels),
            metadata=_about(workflow),
        ),
    )


def notification_name(workflow: WorkflowExecution, event: str) -> str:
    """Return the name of the message; a long workflow name is cut and told apart by a hash."""
    meta = workflow.metadata
    whole = f"{meta.name}-{event}"
    if len(whole) <= _MAX_NAME:
        return whole
    suffix = f"-{sha256(meta.name.encode()).hexdigest()[:_HASH_LENGTH]}-{event}"
    return meta.name[: _MAX_NAME - len(suffix)].rstrip("-.") + suffix


def _about(workflow: WorkflowExecution) -> dict[str, str]:
    meta, status = workflow.metadata, workflow.status
    request = workflow.spec.remediation_request_ref
    known = {
        "workflowExecution": meta.name,
        "namespace": meta.namespace,
        "remediationRequest": request.name if request else "",
        "failedStep": status.failed_step,
        "errorType": str(status.error_type or ""),
        "correlationID": correlation_of(workflow),
    }
    return {key: text for key, text in known.items() if text}
