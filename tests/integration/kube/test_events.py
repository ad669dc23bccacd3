"""Events on a real API server, as a person finds them with kubectl."""

import asyncio
import json
from typing import Any

import msgspec

from shared.api.groups import WORKFLOW_EXECUTION
from shared.api.workflow import WorkflowExecution
from shared.clock import SystemClock
from shared.kube.client import ApiCluster
from shared.kube.events import EventRecorder
from tests.support.kubectl import Kubectl
from tests.support.workflows import notify, workflow


async def _subject(api: ApiCluster, kubectl: Kubectl, name: str = "told") -> WorkflowExecution:
    body = workflow(name, [notify("a")])
    made = await api.create(WORKFLOW_EXECUTION, body, namespace=kubectl.namespace)
    return msgspec.convert(made, WorkflowExecution)


def _recorder(api: ApiCluster) -> EventRecorder:
    return EventRecorder(api, component="mendflow-tests", clock=SystemClock())


def _events(kubectl: Kubectl, name: str) -> list[dict[str, Any]]:
    wanted = f"involvedObject.name={name},involvedObject.kind=WorkflowExecution"
    answer = kubectl.ok("get", "events", "--field-selector", wanted, "-o", "json")
    found: list[dict[str, Any]] = json.loads(answer)["items"]
    return sorted(found, key=lambda event: str(event["reason"]))


async def test_what_was_told_is_shown_with_its_workflow(api: ApiCluster, kubectl: Kubectl) -> None:
    recorder, subject = _recorder(api), await _subject(api, kubectl)

    recorder.normal(subject, reason="Planned", message="1 steps, 1 batches")
    recorder.warning(subject, reason="StepFailed", message="step a: no such container")
    await recorder.flush()

    planned, failed = _events(kubectl, "told")
    assert (planned["type"], failed["type"]) == ("Normal", "Warning")
    assert planned["involvedObject"]["uid"] == subject.metadata.uid
    assert planned["source"]["component"] == "mendflow-tests"
    described = kubectl.ok("describe", "wfe", "told")
    assert "step a: no such container" in described
    assert "wfe/told" in kubectl.ok("events", "--for", "wfe/told").lower().replace(
        "workflowexecution/", "wfe/"
    )


async def test_repeats_are_one_event_whoever_tells_them(api: ApiCluster, kubectl: Kubectl) -> None:
    first, second = _recorder(api), _recorder(api)
    subject, other = await _subject(api, kubectl), await _subject(api, kubectl, "other")

    for recorder in (first, second, first):
        recorder.normal(subject, reason="Planned", message="one")
    first.normal(subject, reason="Planned", message="two")
    first.normal(other, reason="Planned", message="one")
    await asyncio.gather(first.flush(), second.flush())

    assert sorted(event["message"] for event in _events(kubectl, "told")) == ["one", "two"]
    assert [event["message"] for event in _events(kubectl, "other")] == ["one"]


async def test_long_names_and_messages_are_cut_not_refused(
    api: ApiCluster, kubectl: Kubectl
) -> None:
    recorder, subject = _recorder(api), await _subject(api, kubectl, "n" * 253)

    recorder.warning(subject, reason="StepFailed", message="m" * 5000)
    await recorder.flush()

    (event,) = _events(kubectl, "n" * 253)
    assert event["message"] == "m" * 1024


async def test_an_event_that_cannot_be_written_stops_nobody(
    api: ApiCluster, kubectl: Kubectl
) -> None:
    recorder, subject = _recorder(api), await _subject(api, kubectl)
    gone = msgspec.structs.replace(
        subject, metadata=msgspec.structs.replace(subject.metadata, namespace="no-such-namespace")
    )

    recorder.normal(gone, reason="Planned", message="to nobody")
    await recorder.flush()

    assert _events(kubectl, "told") == []
