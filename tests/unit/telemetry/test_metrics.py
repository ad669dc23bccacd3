"""Metric names are a contract with dashboards; labels are closed and start at zero."""

import pytest
from prometheus_client import CollectorRegistry

from shared.contracts.subjects import Service
from shared.telemetry.metrics import MAX_REASONS, Family, Metrics, Result

CORE = {
    "workflow_monitor_update_success_total",
    "workflow_monitor_update_failure_total",
    "workflow_monitor_update_conflicts_total",
    "workflow_monitor_update_duration_seconds",
    "workflow_watch_reconnections_total",
    "dependency_resolution_failures_total",
    "dependency_resolution_retries_total",
    "execution_creation_failures_total",
}
FURTHER = {
    "kubernetes_api_requests_total",
    "kubernetes_api_requests_throttled_total",
    "kubernetes_api_rate_limiter_wait_duration_seconds",
    "kubernetesexecution_action_execution_duration_seconds",
    "kubernetesexecution_action_execution_total",
    "mendflow_bus_connected",
    "mendflow_handler_duration_seconds",
    "mendflow_illegal_transitions_total",
    "mendflow_invariants_broken_total",
    "mendflow_lease_held",
    "mendflow_loop_lag_seconds",
    "mendflow_messages_consumed_total",
    "mendflow_messages_in_flight",
    "mendflow_messages_parked_total",
    "mendflow_messages_pending",
    "mendflow_messages_published_total",
    "mendflow_messages_redelivered_total",
    "mendflow_messages_unpublished_total",
    "mendflow_resync_repaired_total",
    "mendflow_tokens_granted_total",
    "mendflow_tokens_released_total",
    "workflow_dependency_resolution_duration_seconds",
    "workflow_dependency_resolution_total",
    "workflow_rollback_triggered_total",
    "workflowexecution_duration_seconds",
    "workflowexecution_step_execution_duration_seconds",
    "workflowexecution_step_execution_total",
    "workflowexecution_total",
}


def text_of(metrics: Metrics) -> str:
    return metrics.render()[0].decode()


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_the_names_are_those_that_dashboards_know() -> None:
    lines = text_of(Metrics()).splitlines()
    names = {line.split()[2] for line in lines if line.startswith("# TYPE")}

    assert {name for name in names if not name.endswith("_created")} == CORE | FURTHER


def test_closed_labels_start_at_zero() -> None:
    metrics = Metrics()

    for service in Service:
        for result in Result:
            labels = {"service": str(service), "result": str(result)}
            assert value(metrics, "mendflow_messages_consumed_total", **labels) == 0
    assert value(metrics, "workflowexecution_total", status="RolledBack") == 0
    step = {"status": "Failed", "action": "update_image"}
    assert value(metrics, "workflowexecution_step_execution_total", **step) == 0


def test_what_happens_is_counted() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.status_written(namespace="shop", took_s=0.1)
    metrics.message_handled(service=Service.PLANNER, result=Result.ACKED, took_s=0.01)
    metrics.message_published(service=Service.PLANNER, family=Family.EVENT)
    metrics.api_answered(verb="patch", resource="workflowexecutions", code=409)
    metrics.api_waited(0.2)
    metrics.lease_held(service=Service.WATCHER, held=True)

    assert value(metrics, "workflow_monitor_update_success_total", namespace="shop") == 1
    assert value(metrics, "workflow_monitor_update_duration_seconds_count") == 1
    acked = {"service": "planner", "result": "acked"}
    assert value(metrics, "mendflow_messages_consumed_total", **acked) == 1
    assert value(metrics, "mendflow_handler_duration_seconds_count", service="planner") == 1
    conflict = {"verb": "patch", "resource": "workflowexecutions", "code": "409"}
    assert value(metrics, "kubernetes_api_requests_total", **conflict) == 1
    assert value(metrics, "kubernetes_api_rate_limiter_wait_duration_seconds_count") == 1
    assert value(metrics, "mendflow_lease_held", service="watcher") == 1


@pytest.mark.parametrize(
    ("spelling", "label"),
    [
        ("ScaleDeployment", "scale_deployment"),
        ("scale-deployment", "scale_deployment"),
        ("whatever the user wrote", "other"),
    ],
)
def test_ten_spellings_of_an_action_are_one_series(spelling: str, label: str) -> None:
    metrics = Metrics()
    metrics.step_ended(action=spelling, outcome="Completed", took_s=1)

    name = "workflowexecution_step_execution_total"
    assert value(metrics, name, status="Completed", action=label) == 1


def test_reasons_are_bounded() -> None:
    metrics = Metrics()
    for index in range(MAX_REASONS + 20):
        metrics.message_parked(service=Service.MONITOR, reason=f"Reason{index}")

    other = {"service": "mon", "reason": "other"}
    assert value(metrics, "mendflow_messages_parked_total", **other) == 20


def test_two_sets_of_metrics_do_not_meet() -> None:
    one, other = Metrics(), Metrics()
    one.token_granted()

    assert value(other, "mendflow_tokens_granted_total") == 0
