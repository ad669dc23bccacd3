"""Which service may write which status field: one writer per field.

Checked before every write, so that a mistake stops in the service that makes it and never
reaches the API server.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from shared.api.workflow_status import StepStatus, ValidationResults, WorkflowStatus
from shared.contracts.subjects import Service

DERIVED: Final = frozenset(
    {
        "phase",
        "reason",
        "message",
        "conditions",
        "observed_generation",
        "held_since",
        "held_seconds",
        "skipped_steps",
    }
)

_FIELDS: Final[Mapping[Service, frozenset[str]]] = {
    Service.PLANNER: frozenset(
        {
            "start_time",
            "planning_start_time",
            "planning_complete_time",
            "total_steps",
            "execution_plan",
            "plan_revision",
            "adaptive_adjustments",
            "approval",
            "steps",
        }
    ),
    Service.ORCHESTRATOR: frozenset(
        {
            "control",
            "tokens",
            "last_fence",
            "active_steps",
            "current_step",
            "queued_steps",
            "execution_start_time",
        }
    ),
    Service.MONITOR: frozenset(
        {
            "progress",
            "health",
            "completed_steps",
            "failed_steps",
            "timed_out_at",
            "failed_step",
            "failed_action",
            "error_type",
            "execution_snapshot",
            "execution_metrics",
            "workflow_result",
            "execution_complete_time",
        }
    ),
    Service.ROLLBACK: frozenset({"rollback", "rollback_start_time", "rollback_complete_time"}),
}
_VALIDATION_FIELDS: Final[Mapping[Service, frozenset[str]]] = {
    Service.PLANNER: frozenset({"approval_received", "approval_timestamp", "validation_errors"}),
    Service.ORCHESTRATOR: frozenset(),
    Service.MONITOR: frozenset({"dry_run_performed", "dry_run_results"}),
    Service.ROLLBACK: frozenset(),
}
_STEP_FIELDS: Final[Mapping[Service, frozenset[str]]] = {
    Service.PLANNER: frozenset(StepStatus.__struct_fields__),
    Service.ORCHESTRATOR: frozenset(
        {
            "phase",
            "reason",
            "message",
            "next_attempt_time",
            "error_type",
            "execution_ref",
            "attempts",
            "retries_attempted",
            "blocked_since",
            "safety",
            "pre_condition_results",
        }
    ),
    Service.MONITOR: frozenset(
        {
            "phase",
            "reason",
            "message",
            "next_attempt_time",
            "start_time",
            "completion_time",
            "error_type",
            "result",
            "dry_run_results",
            "post_condition_results",
        }
    ),
    Service.ROLLBACK: frozenset(),
}


class SliceViolationError(Exception):
    """A service tried to write a field that belongs to another: a bug, never a decision."""


def foreign_fields(service: Service, *, before: WorkflowStatus, after: WorkflowStatus) -> list[str]:
    """Return the changed fields that `service` does not own, as dotted names."""
    owned = _FIELDS[service] | DERIVED
    changed = _changed(before, after) - {"steps", "validation_results"}
    foreign = sorted(changed - owned)
    foreign += _foreign_validation_fields(service, before=before, after=after)
    if before.steps and before.steps is not after.steps:
        foreign += _foreign_step_fields(service, before=before, after=after)
    return foreign


def check(service: Service, *, before: WorkflowStatus, after: WorkflowStatus) -> None:
    """Stop a write that reaches outside the slice of `service`.

    Raises:
        SliceViolationError: naming the fields.
    """
    foreign = foreign_fields(service, before=before, after=after)
    if foreign:
        message = f"{service} does not own {', '.join(foreign)}"
        raise SliceViolationError(message)


def _foreign_validation_fields(
    service: Service, *, before: WorkflowStatus, after: WorkflowStatus
) -> list[str]:
    old = before.validation_results or ValidationResults()
    new = after.validation_results or ValidationResults()
    changed = _changed(old, new) - _VALIDATION_FIELDS[service]
    return [f"validation_results.{field}" for field in sorted(changed)]


def _foreign_step_fields(
    service: Service, *, before: WorkflowStatus, after: WorkflowStatus
) -> list[str]:
    old = {step.name: step for step in before.steps}
    new = {step.name: step for step in after.steps}
    if old.keys() != new.keys() and service is not Service.PLANNER:
        return ["steps"]
    return [
        f"steps[{name}].{field}"
        for name in old.keys() & new.keys()
        for field in sorted(_changed(old[name], new[name]) - _STEP_FIELDS[service])
    ]


def _changed(before: msgspec.Struct, after: msgspec.Struct) -> set[str]:
    return {
        field
        for field in before.__struct_fields__
        if getattr(before, field) != getattr(after, field)
    }
