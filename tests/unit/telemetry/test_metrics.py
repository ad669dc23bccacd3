"""Metric names are a contract with dashboards; labels are closed and start at zero."""

import pytest
from prometheus_client import CollectorRegistry

from shared.contracts.subjects import Service
from shared.telemetry.metrics import MAX_REASONS, Metrics, Result
from shared.telemetry.policies import MAX_TYPES, OTHER

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
    "cascade_failures_prevented_total",
    "condition_timeout_total",
    "executions_blocked_by_precondition_total",
    "executions_failed_by_postcondition_total",
    "kubernetes_api_requests_total",
    "kubernetes_api_rate_limiter_wait_duration_seconds",
    "mendflow_approval_wait_seconds",
    "mendflow_approvals_total",
    "mendflow_config_reloads_total",
    "mendflow_control_requests_total",
    "mendflow_handler_duration_seconds",
    "mendflow_illegal_transitions_total",
    "mendflow_messages_consumed_total",
    "mendflow_messages_parked_total",
    "mendflow_messages_published_total",
    "mendflow_messages_redelivered_total",
    "mendflow_plan_revisions_total",
    "mendflow_policy_reloads_total",
    "mendflow_resync_repaired_total",
    "mendflow_step_retries_total",
    "mendflow_tokens_total",
    "policy_denials_total",
    "policy_evaluation_duration_seconds",
    "workflow_timeout_exceeded_total",
    "workflowexecution_condition_duration_seconds",
    "workflowexecution_condition_evaluations_total",
    "workflowexecution_condition_failed_total",
    "workflowexecution_condition_passed_total",
    "workflowexecution_step_execution_total",
}


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return Metrics(registry)


def test_the_names_are_those_that_dashboards_know(metrics: Metrics) -> None:
    lines = metrics.render().decode().splitlines()
    names = {line.split()[2] for line in lines if line.startswith("# TYPE")}

    assert names >= CORE | FURTHER


def test_closed_labels_start_at_zero(registry: CollectorRegistry, metrics: Metrics) -> None:
    assert metrics.render()
    for service in Service:
        for result in Result:
            labels = {"service": str(service), "result": str(result)}
            assert registry.get_sample_value("mendflow_messages_consumed_total", labels) == 0
    step = {"status": "Failed", "action": "update_image"}
    assert registry.get_sample_value("workflowexecution_step_execution_total", step) == 0


def test_what_happens_is_counted(registry: CollectorRegistry, metrics: Metrics) -> None:
    metrics.status_written("shop", 0.1)
    metrics.message_handled(service=Service.PLANNER, result=Result.ACKED, seconds=0.01)
    metrics.requested("patch", "workflowexecutions", 409)
    metrics.token_granted()

    value = registry.get_sample_value
    shop = {"namespace": "shop"}
    assert value("workflow_monitor_update_success_total", shop) == 1
    assert value("workflow_monitor_update_duration_seconds_count") == 1
    acked = {"service": "planner", "result": "acked"}
    assert value("mendflow_messages_consumed_total", acked) == 1
    conflict = {"verb": "patch", "resource": "workflowexecutions", "code": "409"}
    assert value("kubernetes_api_requests_total", conflict) == 1
    assert value("mendflow_tokens_total", {"move": "granted"}) == 1


def test_what_people_and_clocks_do_is_counted_from_zero_on(
    registry: CollectorRegistry, metrics: Metrics
) -> None:
    def counted() -> list[float | None]:
        value = registry.get_sample_value
        return [
            value("mendflow_config_reloads_total", {"result": "refused"}),
            value("mendflow_policy_reloads_total", {"result": "defaults"}),
            value("workflow_timeout_exceeded_total", {"kind": "workflow"}),
            value("mendflow_step_retries_total", {"action": "scale_deployment"}),
            value("mendflow_approvals_total", {"decision": "Rejected"}),
            value("mendflow_approval_wait_seconds_sum"),
            value("mendflow_control_requests_total", {"verb": "pause", "accepted": "false"}),
            value("mendflow_plan_revisions_total", {"accepted": "true"}),
        ]

    before = counted()
    metrics.config_reloaded("refused")
    metrics.policies_reloaded("defaults")
    metrics.timeout_exceeded("workflow")
    metrics.step_retried("ScaleDeployment")
    metrics.approval_decided("Rejected", 12.5)
    metrics.control_requested("pause", accepted=False)
    metrics.plan_revised(accepted=True)

    assert before == [0] * 8
    assert counted() == [1, 1, 1, 1, 1, 12.5, 1, 1]


def test_row_91_what_policies_decide_is_counted(
    registry: CollectorRegistry, metrics: Metrics
) -> None:
    policies, value = metrics.policies, registry.get_sample_value
    before = value("cascade_failures_prevented_total")

    policies.evaluated("safety_nodes.rego", 0.01)
    policies.change_denied(["safety_nodes.rego"], "drain-everything", is_answered=True)
    policies.change_denied([], "ScaleDeployment", is_answered=False)
    policies.precondition_timed_out("deployment_exists")

    nodes = {"policy": "safety_nodes.rego"}
    denied = nodes | {"action": "other", "answered": "true"}
    unread = {"policy": "none", "action": "scale_deployment", "answered": "false"}
    timed_out = {"condition_type": "deployment_exists", "phase": "precondition"}
    assert value("policy_evaluation_duration_seconds_count", nodes) == 1
    assert value("policy_denials_total", denied) == 1
    assert value("policy_denials_total", unread) == 1
    assert value("condition_timeout_total", timed_out) == 1
    assert (before, value("cascade_failures_prevented_total")) == (0, 1)


def test_only_so_many_names_of_users_get_a_series_of_their_own(
    registry: CollectorRegistry, metrics: Metrics
) -> None:
    for number in range(MAX_TYPES + 5):
        metrics.policies.evaluated(f"{number} (inline)", 0.01)
        metrics.policies.condition_evaluated(
            "precondition", f"type-{number}", passed=True, required=True, seconds=0.01
        )

    value = registry.get_sample_value
    assert value("policy_evaluation_duration_seconds_count", {"policy": OTHER}) == 5
    held = {"condition_type": OTHER, "phase": "precondition"}
    assert value("workflowexecution_condition_passed_total", held) == 5


@pytest.mark.parametrize(
    ("spelling", "label"),
    [
        ("ScaleDeployment", "scale_deployment"),
        ("scale-deployment", "scale_deployment"),
        ("whatever the user wrote", "other"),
    ],
)
def test_ten_spellings_of_an_action_are_one_series(
    registry: CollectorRegistry, metrics: Metrics, spelling: str, label: str
) -> None:
    metrics.step_ended(action=spelling, outcome="Completed")

    labels = {"status": "Completed", "action": label}
    assert registry.get_sample_value("workflowexecution_step_execution_total", labels) == 1


def test_reasons_are_bounded(registry: CollectorRegistry, metrics: Metrics) -> None:
    for index in range(MAX_REASONS + 20):
        metrics.parked(f"Reason{index}")

    assert registry.get_sample_value("mendflow_messages_parked_total", {"reason": "other"}) == 20


def test_without_a_registry_it_makes_its_own() -> None:
    one, other = Metrics(), Metrics()
    one.token_granted()

    assert b'mendflow_tokens_total{move="granted"} 0.0' in other.render()
