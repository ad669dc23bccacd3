"""The kinds that people answer, as a real API server serves them."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

from shared.api.notification import NotificationRequest
from shared.kube.apply import to_json
from tests.support.admission import approval
from tests.support.kubectl import Kubectl, Object
from tests.support.namespaces import empty_namespace

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster


@pytest.fixture(scope="module")
def kubectl(cluster: "LocalCluster") -> Iterator[Kubectl]:
    """Kubectl in a namespace of this module, whose requests are about no real workflow."""
    made = empty_namespace(cluster, "requests as served")
    made.ok("get", "aiar,notif")  # `explain` asks for no new kinds by itself
    yield made
    made.ok("delete", "aiar,notif", "--all")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("aiar.spec.planHash", "a changed plan needs another request"),
        ("aiar.spec.approvalContext.confidenceScore", "from 0 to 1"),
        ("aiar.spec.approvalContext.alternativesConsidered.prosCons", "What speaks for it"),
        ("aiar.status.decidedBy", "your own name, as you log in"),
        ("notif.spec.recipients.webhookURL", "Address that is posted to"),
        ("notif.spec.retryPolicy.maxBackoffSeconds", "Longest wait in seconds"),
        ("notif.status.phase", "How far its delivery is"),
    ],
)
def test_kubectl_explains(kubectl: Kubectl, path: str, expected: str) -> None:
    assert expected in " ".join(kubectl.ok("explain", path).split())


@pytest.mark.parametrize(
    ("short", "columns", "wide"),
    [
        ("aiar", "NAME WORKFLOW STEP DECISION BY AGE REASON", "SUBMITTER TIMEOUT PLAN MESSAGE"),
        ("notif", "NAME TYPE PRIORITY PHASE AGE SUBJECT", "MESSAGE"),
    ],
)
def test_short_names_and_columns(kubectl: Kubectl, short: str, columns: str, wide: str) -> None:
    kubectl.apply(approval("columns") if short == "aiar" else _notification("columns"))

    assert _heading(kubectl.ok("get", short)) == columns
    assert _heading(kubectl.ok("get", short, "-o", "wide")) == f"{columns} {wide}"
    assert "columns" in kubectl.ok("get", "mendflow")


def test_defaults_of_the_server_are_those_of_the_structs(kubectl: Kubectl) -> None:
    body = _notification("defaults")
    del body["spec"]["priority"]
    kubectl.apply(body)
    kubectl.apply(approval("defaults"))

    served = kubectl.get("notif", "defaults")["spec"]

    ours = to_json(msgspec.convert(body, NotificationRequest).spec)
    ours["recipients"] = body["spec"]["recipients"]
    assert served == ours
    assert (served["priority"], served["retentionDays"]) == ("medium", 7)
    assert served["retryPolicy"] == {
        "maxAttempts": 5,
        "initialBackoffSeconds": 30,
        "backoffMultiplier": 2,
        "maxBackoffSeconds": 480,
    }
    assert kubectl.get("aiar", "defaults")["spec"]["timeout"] == "15m"


BAD_NOTIFICATIONS: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "nobody": ({"recipients": []}, "spec.recipients"),
    "nobody with an address": ({"recipients": [{"email": ""}]}, "needs at least one of email"),
    "no subject": ({"subject": ""}, "spec.subject"),
    "long subject": ({"subject": "s" * 501}, "spec.subject: Too long"),
    "no body": ({"body": ""}, "spec.body"),
    "no way": ({"channels": []}, "spec.channels"),
    "unknown way": ({"channels": ["pigeon"]}, "spec.channels[0]"),
    "same way twice": ({"channels": ["console", "console"]}, "Duplicate value"),
    "unknown type": ({"type": "gossip"}, "spec.type"),
    "unknown priority": ({"priority": "P0"}, "spec.priority"),
    "no time to keep": ({"retentionDays": 0}, "spec.retentionDays"),
}


@pytest.mark.parametrize("case", BAD_NOTIFICATIONS)
def test_a_bad_notification_is_refused_with_its_field(kubectl: Kubectl, case: str) -> None:
    change, expected = BAD_NOTIFICATIONS[case]
    body = _notification("bad")
    body["spec"] |= change

    _refused(kubectl, body, expected)


@pytest.mark.parametrize("address", ["email", "slack", "teams", "phone", "webhookURL"])
def test_one_address_is_enough(kubectl: Kubectl, address: str) -> None:
    body = _notification(f"one-{address.lower()}")
    body["spec"]["recipients"] = [{address: "somewhere"}]

    kubectl.ok("create", "-f", "-", stdin=json.dumps(body))


BAD_APPROVALS: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "no plan": ({"planHash": ""}, "spec.planHash"),
    "no reason": ({"reason": ""}, "spec.reason"),
    "no duration": ({"timeout": "5 minutes"}, "spec.timeout"),
    "no time": ({"requestedAt": "yesterday"}, "spec.requestedAt"),
    "101 changes": ({"changes": ["x"] * 101}, "must have at most 100 items"),
    "long line": ({"changes": ["x" * 257]}, "spec.changes[0]: Too long"),
    "too sure": ({"approvalContext": {"confidenceScore": 1.1}}, "confidenceScore"),
    "another word": ({"approvalContext": {"confidenceLevel": "sure"}}, "confidenceLevel"),
}


@pytest.mark.parametrize("case", BAD_APPROVALS)
def test_a_bad_request_is_refused_with_its_field(kubectl: Kubectl, case: str) -> None:
    change, expected = BAD_APPROVALS[case]
    body = approval("bad")
    body["spec"] |= change

    _refused(kubectl, body, expected)


def test_an_unknown_decision_is_refused(kubectl: Kubectl) -> None:
    kubectl.apply(approval("maybe"))
    status = '{"status":{"decision":"Maybe","decidedBy":"admin"}}'

    done = kubectl.run(
        "patch", "aiar", "maybe", "--subresource=status", "--type=merge", "-p", status
    )

    assert "status.decision: Unsupported value" in done.stderr


def _notification(name: str) -> Object:
    return {
        "apiVersion": "notification.kubernaut.ai/v1alpha1",
        "kind": "NotificationRequest",
        "metadata": {"name": name},
        "spec": {
            "type": "escalation",
            "priority": "high",
            "recipients": [{"slack": "#sre"}],
            "subject": "fix failed",
            "body": "step a failed",
            "channels": ["console"],
        },
    }


def _refused(kubectl: Kubectl, body: Object, expected: str) -> None:
    done = kubectl.run("create", "-f", "-", stdin=json.dumps(body))

    assert done.returncode != 0
    assert expected in done.stderr


def _heading(table: str) -> str:
    return " ".join(table.splitlines()[0].split())
