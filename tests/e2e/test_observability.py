"""One id follows a workflow through the logs and messages of all services; metrics count it."""

from typing import TYPE_CHECKING, Any

from shared.contracts.subjects import Service
from tests.support import stored
from tests.support.kubectl import Kubectl
from tests.support.services import NAMES, Services
from tests.support.workflows import failing, workflow

if TYPE_CHECKING:
    from shared.bus.embedded import EmbeddedServer

CORRELATION = "incident-4711"
SERVICES = dict(zip(NAMES, Service, strict=True))
READERS = {name: service for name, service in SERVICES.items() if name != "watcher"}


def test_one_correlation_id_reaches_every_service(kubectl: Kubectl, services: Services) -> None:
    services.wait_connected()

    applied = _rolled_back(kubectl, name="traced")

    for name in NAMES:
        lines = services.lines(name)
        about = [line for line in lines if line.get("workflow") == "traced"]
        assert about, f"{name} logged nothing about the workflow"
        assert {line["correlationID"] for line in about} == {CORRELATION}, name
    assert applied["status"]["phase"] == "RolledBack"


def test_every_message_of_a_workflow_carries_its_correlation_id(
    kubectl: Kubectl, services: Services, nats_server: "EmbeddedServer"
) -> None:
    services.wait_connected()

    uid = _rolled_back(kubectl, name="told")["metadata"]["uid"]

    events = stored.messages(nats_server.url, "WFEVT")
    found = [event.headers for event in events if f".{uid}." in event.subject]

    assert {headers["ce-source"].split("/")[1] for headers in found} == set(Service)
    assert {headers["wf-correlation"] for headers in found} == {CORRELATION}
    assert {headers["ce-specversion"] for headers in found} == {"1.0"}


def test_metrics_count_what_was_done(kubectl: Kubectl, services: Services) -> None:
    services.wait_connected()
    _rolled_back(kubectl, name="counted")

    granted = services.metrics("orchestrator")
    monitored = services.metrics("monitor")

    assert granted['mendflow_tokens_total{move="granted"}'] == 3
    assert granted['mendflow_tokens_total{move="released"}'] == 3
    labels = f'{{namespace="{kubectl.namespace}"}}'
    assert monitored[f"workflow_monitor_update_success_total{labels}"] >= 3
    for name, service in SERVICES.items():
        counted = services.metrics(name)
        assert "kubernetes_api_requests" in " ".join(counted), name
        assert counted[f'mendflow_messages_published_total{{service="{service}"}}'] > 0, name
    for name, service in READERS.items():
        result = f'{{result="acked",service="{service}"}}'
        counted = services.metrics(name)
        assert counted[f"mendflow_messages_consumed_total{result}"] > 0, name


def _rolled_back(kubectl: Kubectl, *, name: str) -> dict[str, Any]:
    body = workflow(name, failing(), rollback="Automatic")
    body["metadata"]["annotations"] = {"kubernaut.ai/correlationID": CORRELATION}
    kubectl.apply(body)
    return kubectl.wait_phase(name, "RolledBack", "RollbackFailed")
