"""Which changes ring a bell, and under which id."""

from typing import Any

import pytest

from services.watcher.core.observe import (
    observe_approval,
    observe_execution,
    observe_workflow,
    seen,
)
from shared.contracts.subjects import Fact

Object = dict[str, Any]


def _workflow(
    *,
    version: str = "5",
    generation: int = 1,
    phase: str = "Executing",
    on_drift: str = "skip",
    note: str = "old",
) -> Object:
    return {
        "metadata": {
            "name": "fix",
            "namespace": "shop",
            "uid": "w1",
            "resourceVersion": version,
            "generation": generation,
            "annotations": {"kubernaut.io/on-drift.a": on_drift, "shop.example/note": note},
        },
        "status": {"phase": phase},
    }


def _execution(*, version: str = "6", phase: str = "Running") -> Object:
    return {
        "metadata": {
            "name": "fix-1-a-0011",
            "namespace": "shop",
            "uid": "e1",
            "resourceVersion": version,
            "labels": {"kubernaut.ai/workflow": "fix", "kubernaut.ai/workflow-uid": "w1"},
        },
        "spec": {"stepName": "a", "workflowExecutionRef": {"name": "fix", "uid": "w1"}},
        "status": {"phase": phase},
    }


def _approval(*, version: str = "7", decision: str = "") -> Object:
    return {
        "metadata": {
            "name": "fix-approval",
            "namespace": "shop",
            "uid": "a1",
            "resourceVersion": version,
        },
        "spec": {"step": "b", "workflowExecutionRef": {"name": "fix", "uid": "w1"}},
        "status": {"decision": decision, "message": version},
    }


@pytest.mark.parametrize(
    ("type_", "raw", "before", "expected"),
    [
        ("ADDED", _workflow(), None, Fact.WFE_CREATED),
        ("MODIFIED", _workflow(phase="Completed"), seen(_workflow()), Fact.WFE_CHANGED),
        ("MODIFIED", _workflow(generation=2), seen(_workflow()), Fact.WFE_CHANGED),
        ("MODIFIED", _workflow(on_drift="force"), seen(_workflow()), Fact.WFE_CHANGED),
        ("MODIFIED", _workflow(note="new"), seen(_workflow()), None),
        ("DELETED", _workflow(), seen(_workflow()), Fact.WFE_DELETED),
        ("MODIFIED", _workflow(version="9"), seen(_workflow()), None),
        ("ADDED", _workflow(version="9"), seen(_workflow()), None),
    ],
    ids=[
        "created",
        "phase",
        "spec",
        "answer about drift",
        "another annotation",
        "deleted",
        "status only",
        "listed again",
    ],
)
def test_a_workflow_rings_when_somebody_may_have_to_act(
    type_: str, raw: Object, before: Any, expected: Fact | None
) -> None:
    found = observe_workflow(type_, raw, before=before)

    assert (found.fact if found else None) is expected


@pytest.mark.parametrize(
    ("type_", "raw", "before", "expected"),
    [
        ("ADDED", _execution(), None, Fact.KEX_CHANGED),
        ("MODIFIED", _execution(phase="Completed"), seen(_execution()), Fact.KEX_CHANGED),
        ("DELETED", _execution(), seen(_execution()), Fact.KEX_DELETED),
        ("MODIFIED", _execution(version="9"), seen(_execution()), None),
    ],
    ids=["created", "phase", "deleted", "status only"],
)
def test_an_execution_rings_under_its_workflow(
    type_: str, raw: Object, before: Any, expected: Fact | None
) -> None:
    found = observe_execution(type_, raw, before=before)

    assert (found.fact if found else None) is expected
    if found is not None:
        assert (found.uid, found.workflow, found.namespace) == ("w1", "fix", "shop")
        assert (found.step, found.execution) == ("a", "fix-1-a-0011")


def test_labels_speak_for_an_execution_without_a_reference() -> None:
    raw = _execution()
    raw["spec"] = {}

    found = observe_execution("ADDED", raw, before=None)

    assert found is not None
    assert (found.uid, found.workflow) == ("w1", "fix")


def test_an_execution_of_nobody_rings_no_bell() -> None:
    raw = _execution()
    raw["spec"] = {}
    raw["metadata"]["labels"] = {}

    assert observe_execution("ADDED", raw, before=None) is None


@pytest.mark.parametrize(
    ("type_", "raw", "before", "rings"),
    [
        ("ADDED", _approval(), None, True),
        ("MODIFIED", _approval(decision="Approved"), seen(_approval()), True),
        ("DELETED", _approval(), seen(_approval()), True),
        ("MODIFIED", _approval(version="9"), seen(_approval()), False),
    ],
    ids=["asked", "decided", "deleted", "message only"],
)
def test_a_request_for_approval_rings_under_its_workflow(
    type_: str, raw: Object, before: Any, rings: bool
) -> None:
    found = observe_approval(type_, raw, before=before)

    assert (found is not None) is rings
    if found is not None:
        assert found.fact is Fact.APPROVAL_CHANGED
        assert (found.uid, found.workflow, found.namespace) == ("w1", "fix", "shop")
        assert (found.step, found.execution) == ("b", "")


def test_a_decision_rings_under_an_id_of_the_request() -> None:
    ids = [
        found.event_id
        for type_ in ("MODIFIED", "DELETED")
        if (found := observe_approval(type_, _approval(decision="Rejected"), before=None))
    ]

    assert ids == ["a1:7", "a1:7:deleted"]


def test_a_request_of_nobody_rings_no_bell() -> None:
    raw = _approval()
    raw["spec"]["workflowExecutionRef"] = {"name": "fix"}

    assert observe_approval("ADDED", raw, before=None) is None


def test_two_watchers_ring_under_the_same_id_and_a_deletion_under_its_own() -> None:
    ids = [
        found.event_id
        for type_, before in (("ADDED", None), ("MODIFIED", seen(_workflow(phase="Pending"))))
        if (found := observe_workflow(type_, _workflow(), before=before))
    ]
    deleted = observe_workflow("DELETED", _workflow(), before=None)

    assert ids == ["w1:5", "w1:5"]
    assert deleted is not None
    assert deleted.event_id == "w1:5:deleted"
