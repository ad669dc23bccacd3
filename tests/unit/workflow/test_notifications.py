"""Messages for people: named after the event, owned by the workflow, fit for the schema."""

import msgspec
import pytest

from shared.api.enums import ErrorType
from shared.api.meta import NamedRef, ObjectMeta
from shared.api.notification import (
    Channel,
    NotificationRequest,
    NotificationType,
    Priority,
    Recipient,
)
from shared.api.workflow import WorkflowExecution
from shared.ids import Uid
from shared.kube.apply import to_json
from shared.workflow.notifications import notification_for, notification_name
from tests.support.builders import UID, make_workflow, notify_step


def _named(name: str, *, uid: str = UID) -> WorkflowExecution:
    workflow = make_workflow([notify_step("a")], name=name)
    meta = ObjectMeta(name=name, namespace="shop", uid=Uid(uid))
    return msgspec.structs.replace(workflow, metadata=meta)


def _about(
    workflow: WorkflowExecution, *, subject: str = "s", body: str = "b"
) -> NotificationRequest:
    return notification_for(
        workflow,
        event="failed",
        type_=NotificationType.ESCALATION,
        priority=Priority.HIGH,
        subject=subject,
        body=body,
    )


def test_a_message_is_named_after_its_event_and_goes_with_its_workflow() -> None:
    made = _about(_named("fix"))

    assert (made.metadata.name, made.metadata.namespace) == ("fix-failed", "shop")
    (owner,) = made.metadata.owner_references
    assert (owner.kind, owner.name, owner.uid) == ("WorkflowExecution", "fix", UID)
    assert made.spec.channels == [Channel.CONSOLE]
    assert made.spec.recipients != [Recipient()]


def test_a_message_says_what_it_is_about() -> None:
    workflow = _named("fix")
    workflow = msgspec.structs.replace(
        workflow,
        spec=msgspec.structs.replace(workflow.spec, remediation_request_ref=NamedRef(name="rr")),
        status=msgspec.structs.replace(
            workflow.status, failed_step="a", error_type=ErrorType.TIMEOUT
        ),
    )

    made = _about(workflow)

    assert made.spec.metadata == {
        "workflowExecution": "fix",
        "namespace": "shop",
        "remediationRequest": "rr",
        "failedStep": "a",
        "errorType": "timeout",
        "correlationID": UID,
    }


@pytest.mark.parametrize("event", ["failed", "rollback-failed", "approval"])
def test_long_names_fit_and_stay_apart(event: str) -> None:
    names = {notification_name(_named("a" * 252 + last), event) for last in "bc"}

    assert len(names) == 2
    assert {len(name) for name in names} == {253}
    assert all(name.endswith(f"-{event}") for name in names)


@pytest.mark.parametrize(
    ("subject", "body"), [("s" * 501, "b" * 10_001), ("s", "")], ids=["too long", "no body"]
)
def test_texts_are_made_to_fit(subject: str, body: str) -> None:
    made = _about(_named("fix"), subject=subject, body=body)

    assert msgspec.convert(to_json(made), NotificationRequest) == made
