"""Closed lists of words that appear in spec and status.

One enum per concept; every writer and reader shares it.
"""

from enum import StrEnum
from typing import Final


class Phase(StrEnum):
    """One-word summary of a workflow, derived from its slices by `shared.workflow.phases`."""

    PENDING = "Pending"
    PLANNING = "Planning"
    AWAITING_APPROVAL = "AwaitingApproval"
    EXECUTING = "Executing"
    PAUSED = "Paused"
    ROLLING_BACK = "RollingBack"
    COMPLETED = "Completed"
    FAILED = "Failed"
    ROLLED_BACK = "RolledBack"
    ROLLBACK_FAILED = "RollbackFailed"
    DEGRADED = "Degraded"
    CANCELLED = "Cancelled"


TERMINAL_PHASES: Final = frozenset(
    {
        Phase.COMPLETED,
        Phase.FAILED,
        Phase.ROLLED_BACK,
        Phase.ROLLBACK_FAILED,
        Phase.DEGRADED,
        Phase.CANCELLED,
    }
)


class StepPhase(StrEnum):
    """Where one step stands."""

    PENDING = "Pending"
    QUEUED = "Queued"
    BLOCKED = "Blocked"
    RUNNING = "Running"
    VERIFYING = "Verifying"
    COMPLETED = "Completed"
    FAILED = "Failed"
    SKIPPED = "Skipped"


SETTLED_STEP_PHASES: Final = frozenset({StepPhase.COMPLETED, StepPhase.FAILED, StepPhase.SKIPPED})


class ExecutionPhase(StrEnum):
    """Where one KubernetesExecution stands."""

    PENDING = "Pending"
    VALIDATING = "Validating"
    WAITING_APPROVAL = "WaitingApproval"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


TERMINAL_EXECUTION_PHASES: Final = frozenset(
    {ExecutionPhase.COMPLETED, ExecutionPhase.FAILED, ExecutionPhase.CANCELLED}
)


class ExecutionKind(StrEnum):
    """Direction of an execution: one step forward, or the undo of one."""

    FORWARD = "forward"
    ROLLBACK = "rollback"
    SETTLE = "settle"


class Intent(StrEnum):
    """What may be done with an execution; fixed at its creation."""

    RUN = "Run"
    SETTLE = "Settle"
    VOID = "Void"


class ErrorType(StrEnum):
    """Why a step failed."""

    TIMEOUT = "timeout"
    PERMISSION_DENIED = "permission_denied"
    RESOURCE_NOT_FOUND = "resource_not_found"
    RESOURCE_CONFLICT = "resource_conflict"
    RESOURCE_QUOTA_EXCEEDED = "resource_quota_exceeded"
    VALIDATION_ERROR = "validation_error"
    PRECONDITION_FAILED = "precondition_failed"
    POSTCONDITION_FAILED = "postcondition_failed"
    POLICY_DENIED = "policy_denied"
    CANCELLED = "cancelled"
    UNKNOWN_ERROR = "unknown_error"


class RollbackType(StrEnum):
    """What happens after a critical step failed."""

    AUTOMATIC = "Automatic"
    MANUAL = "Manual"
    NONE = "None"


class RollbackPhase(StrEnum):
    """Where the way back stands."""

    NOT_REQUESTED = "NotRequested"
    AWAITING_TRIGGER = "AwaitingTrigger"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"


class RollbackStepPhase(StrEnum):
    """Where the undo of one step stands."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    SKIPPED = "Skipped"


class Control(StrEnum):
    """What a person asks of a workflow after its creation."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    ROLLBACK = "rollback"
    RETRY = "retry"


class SecondaryMode(StrEnum):
    """When a step runs that belongs to another one, its primary."""

    IF_PRIMARY_FAILS = "if_primary_fails"
    AFTER_PRIMARY = "after_primary"
    PARALLEL_WITH_PRIMARY = "parallel_with_primary"


class StepReason(StrEnum):
    """Why a step stands where it does, where its phase alone does not say it."""

    AWAITING_APPROVAL = "AwaitingApproval"
    APPROVAL_REJECTED = "ApprovalRejected"
    APPROVAL_EXPIRED = "ApprovalExpired"
    PRECONDITION_FAILED = "PreconditionFailed"
    POLICY_VIOLATION = "PolicyViolation"
    POLICY_UNAVAILABLE = "PolicyUnavailable"
    TARGET_LOCKED = "TargetLocked"
    EXECUTION_DELETED = "ExecutionDeleted"
    EXECUTION_CREATION_ERROR = "ExecutionCreationError"
    INVALID_EXPRESSION = "InvalidExpression"
    RETRYING = "Retrying"
    CONDITION_FALSE = "ConditionFalse"
    PRIMARY_COMPLETED = "PrimaryCompleted"
    DEPENDENCY_FAILED = "DependencyFailed"
    CANCELLED = "Cancelled"
    TIMED_OUT = "TimedOut"
    WORKFLOW_FAILED = "WorkflowFailed"


RELEASING_REASONS: Final = frozenset({StepReason.CONDITION_FALSE, StepReason.PRIMARY_COMPLETED})
"""Skipped for these, a step was not needed: what depends on it may run."""


class Health(StrEnum):
    """Combined health of the steps of a workflow."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class Action(StrEnum):
    """Canonical action names."""

    SCALE_DEPLOYMENT = "scale_deployment"
    SCALE_STATEFULSET = "scale_statefulset"
    RESTART_DEPLOYMENT = "restart_deployment"
    RESTART_DAEMONSET = "restart_daemonset"
    UPDATE_IMAGE = "update_image"
    PATCH_DEPLOYMENT = "patch_deployment"
    ROLLBACK_DEPLOYMENT = "rollback_deployment"
    INCREASE_RESOURCES = "increase_resources"
    UPDATE_HPA = "update_hpa"
    MIGRATE_WORKLOAD = "migrate_workload"
    ENABLE_DEBUG_MODE = "enable_debug_mode"
    ROLLOUT_STATUS = "rollout_status"
    RESTART_POD = "restart_pod"
    DELETE_POD = "delete_pod"
    QUARANTINE_POD = "quarantine_pod"
    CORDON_NODE = "cordon_node"
    UNCORDON_NODE = "uncordon_node"
    DRAIN_NODE = "drain_node"
    TAINT_NODE = "taint_node"
    UNTAINT_NODE = "untaint_node"
    UPDATE_CONFIGMAP = "update_configmap"
    UPDATE_SECRET = "update_secret"  # noqa: S105 - name of an action
    ROTATE_SECRETS = "rotate_secrets"
    APPLY_MANIFEST = "apply_manifest"
    LABEL_RESOURCE = "label_resource"
    ANNOTATE_RESOURCE = "annotate_resource"
    UPDATE_NETWORK_POLICY = "update_network_policy"
    RESTART_NETWORK = "restart_network"
    EXPAND_PVC = "expand_pvc"
    OPTIMIZE_RESOURCES = "optimize_resources"
    RESET_SERVICE_MESH = "reset_service_mesh"
    CLEANUP_STORAGE = "cleanup_storage"
    BACKUP_DATA = "backup_data"
    COMPACT_STORAGE = "compact_storage"
    FAILOVER_DATABASE = "failover_database"
    REPAIR_DATABASE = "repair_database"
    CREATE_HEAP_DUMP = "create_heap_dump"
    AUDIT_LOGS = "audit_logs"
    CUSTOM = "custom"
    WAIT_FOR_CONDITION = "wait_for_condition"
    COLLECT_DIAGNOSTICS = "collect_diagnostics"
    NOTIFY_ONLY = "notify_only"


class ExecutionMode(StrEnum):
    """How independent steps are ordered."""

    PARALLEL = "parallel"
    SEQUENTIAL = "sequential"


class OnInFlight(StrEnum):
    """What happens to running siblings after a critical failure."""

    WAIT = "wait"
    CANCEL = "cancel"


class OnDrift(StrEnum):
    """What an undo does when somebody else changed the target meanwhile."""

    SKIP = "skip"
    FORCE = "force"
    ASK = "ask"
