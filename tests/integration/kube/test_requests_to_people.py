"""Requests to people on a real API server: asked once, answered once, kept apart by owner."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from shared.api.approval import (
    AIApprovalRequest,
    ApprovalContext,
    ApprovalSpec,
    ApprovalStatus,
    Decision,
)
from shared.api.meta import NamedRef, ObjectMeta
from shared.api.notification import NotificationRequest, NotificationType, Priority
from shared.api.workflow import WorkflowExecution
from shared.errors import ConflictError, PermanentError
from shared.ids import Uid
from shared.kube.approvals import ApprovalStore, NotificationStore
from shared.kube.client import ApiCluster
from shared.workflow.executions import owner_of
from shared.workflow.notifications import notification_for
from tests.support.builders import make_workflow, notify_step
from tests.support.kubectl import Kubectl, Object
from tests.support.workflows import notify, workflow

NOW = datetime(2026, 1, 2, 3, 4, 5, 600000, tzinfo=UTC)
Make = Callable[..., WorkflowExecution]


@pytest.fixture
def make(kubectl: Kubectl) -> Make:
    """Return a function that makes a workflow, live enough to own something."""

    def made(name: str = "fix") -> WorkflowExecution:
        kubectl.apply(workflow(name, [notify("a")]))
        live: Object = kubectl.get("wfe", name)["metadata"]
        meta = ObjectMeta(name=name, namespace=kubectl.namespace, uid=Uid(live["uid"]))
        return msgspec.structs.replace(make_workflow([notify_step("a")], name=name), metadata=meta)

    return made


async def test_a_request_comes_back_as_it_was_asked(api: ApiCluster, make: Make) -> None:
    store, request = ApprovalStore(api), _request(make())

    created = await store.create(request)

    assert created.spec == request.spec
    assert created.status == ApprovalStatus()
    meta = created.metadata
    assert meta.owner_references == request.metadata.owner_references
    assert await store.fetch(meta.namespace, meta.name) == created
    assert await store.fetch(meta.namespace, "nobody-asked") is None


async def test_asking_twice_is_asking_once(api: ApiCluster, make: Make) -> None:
    store, request = ApprovalStore(api), _request(make())
    first = await store.create(request)
    decided = await store.decide(first, _approved())

    again = await store.create(request)

    assert again == decided
    assert again.is_decided


async def test_a_name_of_another_workflow_is_not_taken_over(api: ApiCluster, make: Make) -> None:
    store = ApprovalStore(api)
    await store.create(_request(make("old"), name="same"))

    with pytest.raises(ConflictError, match="belongs to another workflow"):
        await store.create(_request(make("new"), name="same"))


async def test_of_two_answers_one_wins(api: ApiCluster, make: Make) -> None:
    store = ApprovalStore(api)
    read = await store.create(_request(make()))
    won = await store.decide(read, _approved(plan_hash=read.spec.plan_hash))

    with pytest.raises(ConflictError):
        await store.decide(read, ApprovalStatus(decision=Decision.EXPIRED, decided_by="planner"))

    meta = read.metadata
    assert await store.fetch(meta.namespace, meta.name) == won
    assert won.status.decided_at == NOW


async def test_an_answer_about_another_plan_is_refused(api: ApiCluster, make: Make) -> None:
    store = ApprovalStore(api)
    read = await store.create(_request(make()))

    with pytest.raises(PermanentError, match="approves another plan"):
        await store.decide(read, _approved(plan_hash="another"))


async def test_one_message_for_each_event(api: ApiCluster, make: Make, kubectl: Kubectl) -> None:
    store, about = NotificationStore(api), make()

    made = [await store.create(_message(about, event)) for event in ("failed", "failed", "timeout")]

    assert made[0] == made[1]
    names = {each["metadata"]["name"] for each in kubectl.items("notif")}
    assert names == {"fix-failed", "fix-timeout"}
    assert made[0].spec == _message(about, "failed").spec


def _request(about: WorkflowExecution, *, name: str = "fix-plan") -> AIApprovalRequest:
    meta = about.metadata
    return AIApprovalRequest(
        metadata=ObjectMeta(
            name=name, namespace=meta.namespace, owner_references=[owner_of(about)]
        ),
        spec=ApprovalSpec(
            workflow_execution_ref=NamedRef(name=meta.name, namespace=meta.namespace, uid=meta.uid),
            plan_hash="3b1f",
            reason="15 steps, threshold 10",
            total_steps=15,
            threshold=10,
            requested_at=NOW,
            submitted_by="alice",
            changes=["scale web to 4"],
            irreversible=["b"],
            approval_context=ApprovalContext(reason="load", confidence_score=0.7),
        ),
    )


def _approved(**more: str) -> ApprovalStatus:
    fields: dict[str, Any] = {"decision": Decision.APPROVED, "decided_by": "admin", **more}
    return ApprovalStatus(decided_at=NOW, **fields)


def _message(about: WorkflowExecution, event: str) -> NotificationRequest:
    return notification_for(
        about,
        event=event,
        type_=NotificationType.ESCALATION,
        priority=Priority.HIGH,
        subject=f"{about.metadata.name}: {event}",
        body="a step failed",
    )
