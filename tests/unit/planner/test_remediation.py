"""What of a RemediationRequest reaches expressions, and when a workflow is refused for it."""

import base64
import json
from typing import Any

import msgspec
import pytest

from services.planner.core.remediation import absent, asks, foreign, found
from shared.api.meta import NamedRef
from shared.api.parameters import NotifyOnly, Parameters
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import AdaptiveOrchestration, Adjustment, Insertion, Step
from tests.support.builders import make_workflow, notify_step

REF = NamedRef(name="rr-1")
PROVIDER = {"resource": {"kind": "Deployment", "name": "web"}}


def request(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "rr-1", "namespace": "default", "uid": "u-1"}, "spec": spec}


def step(**changes: Any) -> Step:
    return msgspec.structs.replace(notify_step("a"), **changes)


def telling(text: str) -> Step:
    return step(parameters=Parameters(notify_only=NotifyOnly(message=text)))


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        (PROVIDER, PROVIDER),
        (json.dumps(PROVIDER), PROVIDER),
        (base64.b64encode(json.dumps(PROVIDER).encode()).decode(), PROVIDER),
        ("just words", "just words"),
        ("[" * 100_000, None),
        (None, {}),
    ],
)
def test_provider_data_is_read_however_it_is_written(given: object, seen: object) -> None:
    result = found(REF, request(severity="critical", providerData=given))

    if seen is None:
        assert "more than the 8192 kept" in result.defects[0].message
    else:
        assert result.data == {
            "name": "rr-1",
            "namespace": "default",
            "signalName": "",
            "severity": "critical",
            "environment": "",
            "priority": "",
            "targetType": "",
            "providerData": seen,
        }


@pytest.mark.parametrize(
    ("data", "words"),
    [("x" * 9000, "bytes, more than the 8192 kept"), ("[" * 40 + "]" * 40, "nested deeper")],
)
def test_data_that_is_too_much_is_refused(data: str, words: str) -> None:
    [defect] = found(REF, request(providerData=data)).defects

    assert defect.path == "spec.remediationRequestRef"
    assert words in defect.message


def test_another_object_of_the_same_name_is_refused() -> None:
    [defect] = found(NamedRef(name="rr-1", uid="u-2"), request()).defects

    assert "another uid than u-2" in defect.message
    assert not found(NamedRef(name="rr-1", uid="u-1"), request()).defects


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (step(run_if='remediation.severity == "critical"'), True),
        (step(skip_if="has(rr.severity)"), True),
        (telling("it is ${rr.severity}"), True),
        (telling("an rr without expression"), False),
        (telling("never closed ${rr.severity"), False),
        (step(run_if='vars.rr == "remediation"'), False),
    ],
)
def test_only_who_asks_for_it_is_refused_without_it(given: Step, asked: bool) -> None:
    workflow = make_workflow([given])

    assert asks(workflow) is asked
    assert bool(absent(workflow, "create it").defects) is asked


@pytest.mark.parametrize(
    "adjustment",
    [
        Adjustment(name="x", when='rr.severity == "info"', remove=["a"]),
        Adjustment(name="x", insert=[Insertion(step=step(name="b", run_if="rr.x"))]),
    ],
)
def test_adjustments_may_ask_for_it_too(adjustment: Adjustment) -> None:
    workflow = make_workflow([notify_step("a")])
    adaptive = AdaptiveOrchestration(dynamic_step_adjustment=True, adjustments=[adjustment])

    assert asks(with_adaptive(workflow, adaptive))


def with_adaptive(
    workflow: WorkflowExecution, adaptive: AdaptiveOrchestration
) -> WorkflowExecution:
    spec = msgspec.structs.replace(workflow.spec, adaptive_orchestration=adaptive)
    return msgspec.structs.replace(workflow, spec=spec)


def test_the_request_has_to_be_in_the_namespace_of_the_workflow() -> None:
    workflow = make_workflow([notify_step("a")])

    assert foreign(workflow, NamedRef(name="rr-1", namespace="other"))
    assert not foreign(workflow, NamedRef(name="rr-1", namespace="default"))
