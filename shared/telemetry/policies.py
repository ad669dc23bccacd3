"""The metrics of policies: conditions, denials, and how long they take.

Names are fixed by requirements 6.1. Types of conditions come from users, so only so many get
a label of their own.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from shared.effects.catalogue import canonical

MAX_TYPES: Final = 64
OTHER: Final = "other"
NONE: Final = "none"
_BUCKETS: Final = (0.001, 0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10)


class Recorded(StrEnum):
    """What becomes of the record of a look."""

    KEPT = "kept"
    WITHOUT_INPUT = "without_input"
    """The input was too large; what was said is kept."""
    REPEATED = "repeated"
    """Nothing had changed since the last one, which is kept already."""
    DROPPED = "dropped"
    """Too many waited."""
    AWAY = "away"
    """The bus was not there."""
    FAILED = "failed"


class PolicyMetrics:
    """Counts what policies decide in one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._types: set[str] = set()
        prefix, kind = "workflowexecution_condition", ["condition_type", "phase"]
        self._evaluations = Counter(
            f"{prefix}_evaluations", "Evaluations", [*kind, "required"], registry=registry
        )
        self._passed = Counter(f"{prefix}_passed", "Conditions that held", kind, registry=registry)
        self._failed = Counter(
            f"{prefix}_failed",
            "Conditions that did not hold",
            [*kind, "required"],
            registry=registry,
        )
        self._seconds = Histogram(
            f"{prefix}_duration_seconds",
            "Time of an evaluation",
            kind,
            buckets=_BUCKETS,
            registry=registry,
        )
        self._denials = Counter(
            "policy_denials",
            "Changes that a safety policy did not allow; answered=false: it gave no answer",
            ["policy", "action", "answered"],
            registry=registry,
        )
        self._policies: set[str] = set()
        self._policy_seconds = Histogram(
            "policy_evaluation_duration_seconds",
            "Time that a policy took",
            ["policy"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self._prevented = Counter(
            "cascade_failures_prevented",
            "Steps that changed nothing, since a required precondition never held",
            registry=registry,
        )
        self._timeouts = Counter(
            "condition_timeout",
            "Required conditions whose time was up",
            kind,
            registry=registry,
        )
        self._blocked = Counter(
            "executions_blocked_by_precondition",
            "Steps that a precondition held up",
            ["action", "condition_type"],
            registry=registry,
        )
        self._vain = Counter(
            "executions_failed_by_postcondition",
            "Steps that did not bring about what they were to",
            ["action", "condition_type"],
            registry=registry,
        )

        self._recorded = Counter(
            "mendflow_policy_inputs",
            "Looks of policies, by what became of their record",
            ["result"],
            registry=registry,
        )
        for result in Recorded:
            self._recorded.labels(result)

    def look_recorded(self, result: Recorded) -> None:
        """Count what became of the record of one look."""
        self._recorded.labels(result).inc()

    def condition_evaluated(
        self, stage: str, condition_type: str, *, passed: bool, required: bool, seconds: float
    ) -> None:
        """Count one evaluation of a condition, before or after a step."""
        kind, word = self._bounded(condition_type), str(required).lower()
        self._evaluations.labels(kind, stage, word).inc()
        self._seconds.labels(kind, stage).observe(seconds)
        if passed:
            self._passed.labels(kind, stage).inc()
        else:
            self._failed.labels(kind, stage, word).inc()

    def step_blocked(self, action: str, condition_type: str) -> None:
        """Count a step that a precondition began to hold up."""
        self._blocked.labels(action, self._bounded(condition_type)).inc()

    def precondition_timed_out(self, condition_type: str) -> None:
        """Count a step that a precondition held up for too long."""
        self._timeouts.labels(self._bounded(condition_type), "precondition").inc()
        self._prevented.inc()

    def postcondition_timed_out(self, action: str, condition_type: str) -> None:
        """Count a step whose postcondition did not come true in time."""
        kind = self._bounded(condition_type)
        self._timeouts.labels(kind, "postcondition").inc()
        self._vain.labels(action, kind).inc()

    def evaluated(self, policy: str, seconds: float) -> None:
        """Count one evaluation of a policy, whatever it is for."""
        self._policy_seconds.labels(_kept(policy, self._policies)).observe(seconds)

    def change_denied(self, policies: Sequence[str], action: str, *, is_answered: bool) -> None:
        """Count a change that was not allowed, once for each policy that did not allow it.

        Without any, as when the target cannot be read, it counts as denied by none.
        """
        for policy in policies or [NONE]:
            name = _kept(policy, self._policies) if policies else NONE
            known = str(canonical(action) or OTHER)
            self._denials.labels(name, known, str(is_answered).lower()).inc()

    def _bounded(self, condition_type: str) -> str:
        return _kept(condition_type, self._types)


def _kept(name: str, known: set[str]) -> str:
    """Return a name that may label a metric: only so many get one of their own."""
    if len(known) < MAX_TYPES:
        known.add(name)
    return name if name in known else OTHER
