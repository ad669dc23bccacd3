"""Typed parameters of every action, as they stand in a step and in an execution.

`Parameters` is a union keyed by action: exactly the key of the step's action may be set.
In a step, a value may hold an expression (`${...}`); in an execution it never does.
"""

import msgspec

from shared.api.actions.common import EXPRESSION_PATTERN, Duration, TargetResource
from shared.api.actions.config import (
    AnnotateResource,
    ApplyManifest,
    LabelResource,
    RotateSecrets,
    UpdateConfigmap,
    UpdateSecret,
)
from shared.api.actions.jobs import (
    AuditLogs,
    BackupData,
    CleanupStorage,
    CompactStorage,
    CreateHeapDump,
    Custom,
    FailoverDatabase,
    OptimizeResources,
    RepairDatabase,
    ResetServiceMesh,
)
from shared.api.actions.network import (
    RestartNetwork,
    UpdateNetworkPolicy,
)
from shared.api.actions.nodes import (
    CordonNode,
    DrainNode,
    TaintNode,
    UncordonNode,
    UntaintNode,
)
from shared.api.actions.pods import (
    DeletePod,
    QuarantinePod,
    RestartPod,
)
from shared.api.actions.reads import (
    CollectDiagnostics,
    NotifyOnly,
    WaitForCondition,
)
from shared.api.actions.storage import (
    ExpandPvc,
)
from shared.api.actions.workloads import (
    EnableDebugMode,
    IncreaseResources,
    MigrateWorkload,
    PatchDeployment,
    RestartDaemonset,
    RestartDeployment,
    RollbackDeployment,
    RolloutStatus,
    ScaleDeployment,
    ScaleStatefulset,
    UpdateHpa,
    UpdateImage,
)

__all__ = [
    "EXPRESSION_PATTERN",
    "ActionParameters",
    "AnnotateResource",
    "ApplyManifest",
    "AuditLogs",
    "BackupData",
    "CleanupStorage",
    "CollectDiagnostics",
    "CompactStorage",
    "CordonNode",
    "CreateHeapDump",
    "Custom",
    "DeletePod",
    "DrainNode",
    "Duration",
    "EnableDebugMode",
    "ExpandPvc",
    "FailoverDatabase",
    "IncreaseResources",
    "LabelResource",
    "MigrateWorkload",
    "NotifyOnly",
    "OptimizeResources",
    "Parameters",
    "PatchDeployment",
    "QuarantinePod",
    "RepairDatabase",
    "ResetServiceMesh",
    "RestartDaemonset",
    "RestartDeployment",
    "RestartNetwork",
    "RestartPod",
    "RollbackDeployment",
    "RolloutStatus",
    "RotateSecrets",
    "ScaleDeployment",
    "ScaleStatefulset",
    "TaintNode",
    "TargetResource",
    "UncordonNode",
    "UntaintNode",
    "UpdateConfigmap",
    "UpdateHpa",
    "UpdateImage",
    "UpdateNetworkPolicy",
    "UpdateSecret",
    "WaitForCondition",
]


class Parameters(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Parameters keyed by action; set the one that belongs to the step's action."""

    scale_deployment: ScaleDeployment | None = None
    scale_statefulset: ScaleStatefulset | None = None
    restart_deployment: RestartDeployment | None = None
    restart_daemonset: RestartDaemonset | None = None
    update_image: UpdateImage | None = None
    patch_deployment: PatchDeployment | None = None
    rollback_deployment: RollbackDeployment | None = None
    increase_resources: IncreaseResources | None = None
    update_hpa: UpdateHpa | None = None
    migrate_workload: MigrateWorkload | None = None
    enable_debug_mode: EnableDebugMode | None = None
    rollout_status: RolloutStatus | None = None
    restart_pod: RestartPod | None = None
    delete_pod: DeletePod | None = None
    quarantine_pod: QuarantinePod | None = None
    cordon_node: CordonNode | None = None
    uncordon_node: UncordonNode | None = None
    drain_node: DrainNode | None = None
    taint_node: TaintNode | None = None
    untaint_node: UntaintNode | None = None
    update_configmap: UpdateConfigmap | None = None
    update_secret: UpdateSecret | None = None
    rotate_secrets: RotateSecrets | None = None
    apply_manifest: ApplyManifest | None = None
    label_resource: LabelResource | None = None
    annotate_resource: AnnotateResource | None = None
    update_network_policy: UpdateNetworkPolicy | None = None
    restart_network: RestartNetwork | None = None
    expand_pvc: ExpandPvc | None = None
    optimize_resources: OptimizeResources | None = None
    reset_service_mesh: ResetServiceMesh | None = None
    cleanup_storage: CleanupStorage | None = None
    backup_data: BackupData | None = None
    compact_storage: CompactStorage | None = None
    failover_database: FailoverDatabase | None = None
    repair_database: RepairDatabase | None = None
    create_heap_dump: CreateHeapDump | None = None
    audit_logs: AuditLogs | None = None
    custom: Custom | None = None
    wait_for_condition: WaitForCondition | None = None
    collect_diagnostics: CollectDiagnostics | None = None
    notify_only: NotifyOnly | None = None


ActionParameters = (
    ScaleDeployment
    | ScaleStatefulset
    | RestartDeployment
    | RestartDaemonset
    | UpdateImage
    | PatchDeployment
    | RollbackDeployment
    | IncreaseResources
    | UpdateHpa
    | MigrateWorkload
    | EnableDebugMode
    | RolloutStatus
    | RestartPod
    | DeletePod
    | QuarantinePod
    | CordonNode
    | UncordonNode
    | DrainNode
    | TaintNode
    | UntaintNode
    | UpdateConfigmap
    | UpdateSecret
    | RotateSecrets
    | ApplyManifest
    | LabelResource
    | AnnotateResource
    | UpdateNetworkPolicy
    | RestartNetwork
    | ExpandPvc
    | OptimizeResources
    | ResetServiceMesh
    | CleanupStorage
    | BackupData
    | CompactStorage
    | FailoverDatabase
    | RepairDatabase
    | CreateHeapDump
    | AuditLogs
    | Custom
    | WaitForCondition
    | CollectDiagnostics
    | NotifyOnly
)
