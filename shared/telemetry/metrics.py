"""The metrics of one process, behind methods that say what happened.

Names are fixed by requirements 6.1; labels come from closed lists and never hold the name
or uid of an object.
"""

from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from shared.api.approval import Decision
from shared.api.enums import Action, Control, StepPhase
from shared.contracts.subjects import Service
from shared.effects.catalogue import canonical
from shared.telemetry.policies import PolicyMetrics

OTHER: Final = "other"
MAX_REASONS: Final = 64
"""Distinct reasons before further ones count as `other`: a label must stay bounded."""


class Result(StrEnum):
    """What became of a message."""

    ACKED = "acked"
    RETRIED = "retried"
    CONFLICTED = "conflicted"
    PARKED = "parked"
    FENCED = "fenced"
    CRASHED = "crashed"


class Metrics:
    """Counts for one process; several services of one process share it."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Register everything, in a registry of its own unless one is handed in."""
        self._registry = registry = registry if registry is not None else CollectorRegistry()
        self._reasons: set[str] = set()
        self._updates = Counter(
            "workflow_monitor_update_success",
            "Status updates written",
            ["namespace"],
            registry=registry,
        )
        self._failed_updates = Counter(
            "workflow_monitor_update_failure", "Status updates given up", registry=registry
        )
        self._conflicts = Counter(
            "workflow_monitor_update_conflicts", "Status writes refused as stale", registry=registry
        )
        self._update_seconds = Histogram(
            "workflow_monitor_update_duration_seconds", "Whole status update", registry=registry
        )
        self._reconnections = Counter(
            "workflow_watch_reconnections", "Watches opened again", registry=registry
        )
        self._resolution_failures = Counter(
            "dependency_resolution_failures",
            "Definitions refused",
            ["namespace", "reason"],
            registry=registry,
        )
        self._resolution_retries = Counter(
            "dependency_resolution_retries",
            "Planning tried again",
            ["namespace"],
            registry=registry,
        )
        self._creation_failures = Counter(
            "execution_creation_failures",
            "Executions that could not be created",
            ["namespace", "action"],
            registry=registry,
        )
        self._requests = Counter(
            "kubernetes_api_requests",
            "Requests to the API server",
            ["verb", "resource", "code"],
            registry=registry,
        )
        self._waits = Histogram(
            "kubernetes_api_rate_limiter_wait_duration_seconds",
            "Wait for the client-side rate limiter",
            buckets=(0.001, 0.01, 0.05, 0.1, 0.5, 1, 5, 30),
            registry=registry,
        )
        self._tokens = Counter("mendflow_tokens", "Ledger moves", ["move"], registry=registry)
        self._steps = Counter(
            "workflowexecution_step_execution",
            "Steps that ended",
            ["status", "action"],
            registry=registry,
        )
        self._parked = Counter(
            "mendflow_messages_parked",
            "Messages taken out of delivery",
            ["reason"],
            registry=registry,
        )
        self._illegal = Counter(
            "mendflow_illegal_transitions", "Phase changes refused", registry=registry
        )
        self.policies = PolicyMetrics(registry)
        self._declare_messages(registry)
        self._declare_people(registry)
        self._start_at_zero()
        self._start_people_at_zero()

    def render(self) -> bytes:
        """Return the exposition text."""
        return generate_latest(self._registry)

    def status_written(self, namespace: str, seconds: float) -> None:
        """Count a status update and how long it took."""
        self._updates.labels(namespace).inc()
        self._update_seconds.observe(seconds)

    def status_given_up(self) -> None:
        """Count a status update that lost every try."""
        self._failed_updates.inc()

    def conflicted(self) -> None:
        """Count a status write that met a newer version."""
        self._conflicts.inc()

    def watch_reconnected(self) -> None:
        """Count a watch that was opened again."""
        self._reconnections.inc()

    def plan_refused(self, namespace: str, reason: str) -> None:
        """Count a definition that was refused."""
        self._resolution_failures.labels(namespace, self._bounded(reason)).inc()

    def creation_failed(self, namespace: str, action: str) -> None:
        """Count an execution that could not be created."""
        self._creation_failures.labels(namespace, _action(action)).inc()

    def requested(self, verb: str, resource: str, code: int) -> None:
        """Count a request to the API server."""
        self._requests.labels(verb, resource, str(code)).inc()

    def limiter_waited(self, seconds: float) -> None:
        """Record a wait for the rate limiter."""
        self._waits.observe(seconds)

    def token_granted(self) -> None:
        """Count a granted token."""
        self._tokens.labels("granted").inc()

    def token_released(self) -> None:
        """Count a released token."""
        self._tokens.labels("released").inc()

    def step_ended(self, *, action: str, outcome: str) -> None:
        """Count a step that ended."""
        self._steps.labels(outcome, _action(action)).inc()

    def parked(self, reason: str) -> None:
        """Count a parked message."""
        self._parked.labels(self._bounded(reason)).inc()

    def transition_refused(self) -> None:
        """Count a phase change that the table does not allow."""
        self._illegal.inc()

    def message_handled(self, *, service: Service, result: Result, seconds: float) -> None:
        """Count a try to handle a delivery, and how long it took."""
        self._consumed.labels(service, result).inc()
        self._handler_seconds.labels(service).observe(seconds)

    def message_redelivered(self, *, service: Service) -> None:
        """Count a second or later arrival."""
        self._redelivered.labels(service).inc()

    def message_published(self, *, service: Service) -> None:
        """Count a message that its stream confirmed."""
        self._published.labels(service).inc()

    def resync_repaired(self, *, service: Service) -> None:
        """Count a workflow that a resync found work for: a message was lost or late."""
        self._repaired.labels(service).inc()

    def config_reloaded(self, result: str) -> None:
        """Count a ConfigMap that was read: taken, or refused in part."""
        self._reloads.labels(result).inc()

    def policies_reloaded(self, result: str) -> None:
        """Count a version of the policies: taken, refused, or gone and the defaults taken."""
        self._policy_reloads.labels(result).inc()

    def timeout_exceeded(self, kind: str) -> None:
        """Count a time that was up: of a step, a workflow, an approval or a rollback."""
        self._timeouts.labels(kind).inc()

    def step_retried(self, action: str) -> None:
        """Count a failed attempt that is tried again."""
        self._retries.labels(_action(action)).inc()

    def approval_decided(self, decision: str, seconds: float) -> None:
        """Count an answer, and how long it was waited for."""
        self._decisions.labels(decision).inc()
        self._approval_seconds.observe(seconds)

    def control_requested(self, verb: str, accepted: bool) -> None:  # noqa: FBT001 - a label
        """Count a control verb that was taken up."""
        self._controls.labels(verb, str(accepted).lower()).inc()

    def plan_revised(self, accepted: bool) -> None:  # noqa: FBT001 - a label
        """Count a change of a plan that was asked for at run time."""
        self._revisions.labels(str(accepted).lower()).inc()

    def _declare_people(self, registry: CollectorRegistry) -> None:
        self._reloads = Counter(
            "mendflow_config_reloads", "ConfigMaps read", ["result"], registry=registry
        )
        self._policy_reloads = Counter(
            "mendflow_policy_reloads", "Versions of policies", ["result"], registry=registry
        )
        self._timeouts = Counter(
            "workflow_timeout_exceeded", "Times that were up", ["kind"], registry=registry
        )
        self._retries = Counter(
            "mendflow_step_retries", "Attempts after a failed one", ["action"], registry=registry
        )
        self._decisions = Counter(
            "mendflow_approvals", "Approvals by their answer", ["decision"], registry=registry
        )
        self._approval_seconds = Histogram(
            "mendflow_approval_wait_seconds",
            "From the request to the answer",
            buckets=(1, 5, 15, 60, 300, 900, 3600),
            registry=registry,
        )
        self._controls = Counter(
            "mendflow_control_requests",
            "Control verbs taken up",
            ["verb", "accepted"],
            registry=registry,
        )
        self._revisions = Counter(
            "mendflow_plan_revisions",
            "Changes of plans at run time",
            ["accepted"],
            registry=registry,
        )

    def _declare_messages(self, registry: CollectorRegistry) -> None:
        self._consumed = Counter(
            "mendflow_messages_consumed",
            "Tries to handle a delivery",
            ["service", "result"],
            registry=registry,
        )
        self._published = Counter(
            "mendflow_messages_published", "Messages confirmed", ["service"], registry=registry
        )
        self._redelivered = Counter(
            "mendflow_messages_redelivered",
            "Second and later arrivals",
            ["service"],
            registry=registry,
        )
        self._handler_seconds = Histogram(
            "mendflow_handler_duration_seconds",
            "Time of a try to handle a delivery",
            ["service"],
            registry=registry,
        )
        self._repaired = Counter(
            "mendflow_resync_repaired",
            "Workflows that a resync found work for",
            ["service"],
            registry=registry,
        )

    def _bounded(self, reason: str) -> str:
        if reason not in self._reasons and len(self._reasons) >= MAX_REASONS:
            return OTHER
        self._reasons.add(reason)
        return reason

    def _start_at_zero(self) -> None:
        for service in Service:
            for counted in (self._published, self._redelivered, self._repaired):
                counted.labels(service)
            self._handler_seconds.labels(service)
            for result in Result:
                self._consumed.labels(service, result)
        for move in ("granted", "released"):
            self._tokens.labels(move)
        for action in Action:
            for phase in (StepPhase.COMPLETED, StepPhase.FAILED):
                self._steps.labels(phase, action)

    def _start_people_at_zero(self) -> None:
        for action in Action:
            self._retries.labels(action)
        for outcome in ("taken", "refused"):
            self._reloads.labels(outcome)
        for outcome in ("taken", "refused", "defaults"):
            self._policy_reloads.labels(outcome)
        for kind in ("step", "workflow", "approval", "rollback"):
            self._timeouts.labels(kind)
        for decision in Decision:
            self._decisions.labels(decision)
        for accepted in ("true", "false"):
            self._revisions.labels(accepted)
            for verb in (*Control, "none"):
                self._controls.labels(verb, accepted)


def _action(name: str) -> str:
    """Return the canonical name, so that ten spellings are one series."""
    known = canonical(name)
    return str(known) if known is not None else OTHER
