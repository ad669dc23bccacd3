"""What each action needs to be allowed: the verbs on its targets, and nothing else.

Data only. `tools.generate_rbac` writes it as ClusterRoles; an undo acts with the rights of the
action that it undoes.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from shared.api.enums import Action

_APPS: Final = "apps"
_CHANGE: Final = ("get", "patch")
_SETTLE: Final = ("get", "watch", "patch")
"""Of what is waited for after the change, until it is rolled out or has grown."""


class Scope(StrEnum):
    """Where an action reaches, and with that, where its rights are granted."""

    NAMESPACE = "namespace"
    CLUSTER = "cluster"
    SYSTEM = "kube-system"


class Rule(msgspec.Struct, frozen=True):
    """Verbs on resources of one API group."""

    group: str
    """Empty for the core group."""
    resources: tuple[str, ...]
    verbs: tuple[str, ...]


class Rights(msgspec.Struct, frozen=True):
    """What one action may do, and where."""

    rules: tuple[Rule, ...]
    scope: Scope = Scope.NAMESPACE


_KEPT: Final = Rule("", ("secrets",), ("get", "create"))
"""State before the change that is too large, or too secret, for a status."""
_DEPLOYMENT: Final = Rule(_APPS, ("deployments",), _CHANGE)
_ROLLED_OUT: Final = Rule(_APPS, ("deployments",), _SETTLE)
_DAEMON_SET: Final = Rule(_APPS, ("daemonsets",), _SETTLE)
_WORKLOADS: Final = Rule(_APPS, ("deployments", "statefulsets", "daemonsets"), _CHANGE)
_POLICY: Final = ("networkpolicies",)
_NETWORKING: Final = "networking.k8s.io"
_SECRET: Final = Rule("", ("secrets",), ("get", "create", "patch"))
_MANIFEST: Final = ("get", "watch", "create", "patch", "delete")

_JOB: Final = Rights(
    (
        Rule("", ("podtemplates",), ("get",)),
        Rule("batch", ("jobs",), ("get", "watch", "create", "delete")),
        Rule("", ("pods",), ("list",)),
        Rule("", ("pods/log",), ("get",)),
    )
)
"""Runs the user's own Job; what that may do is up to the account in its template."""
_ON_ROLLED_OUT: Final = Rights((_ROLLED_OUT,))
_ON_DEPLOYMENT_AND_KEPT: Final = Rights((_DEPLOYMENT, _KEPT))
_ON_SECRET: Final = Rights((_SECRET,))
_NODE: Final = Rule("", ("nodes",), _CHANGE)
_ON_NODE: Final = Rights((_NODE,), scope=Scope.CLUSTER)
_MARKED: Final = Rule("", ("pods", "services", "configmaps"), _CHANGE)

RIGHTS: Final[Mapping[Action, Rights]] = {
    Action.SCALE_DEPLOYMENT: _ON_ROLLED_OUT,
    Action.SCALE_STATEFULSET: Rights((Rule(_APPS, ("statefulsets",), _SETTLE),)),
    Action.RESTART_DEPLOYMENT: _ON_ROLLED_OUT,
    Action.RESTART_DAEMONSET: Rights((_DAEMON_SET,)),
    Action.RESTART_POD: Rights(
        (
            Rule("", ("pods",), ("get", "list", "delete")),
            Rule(_APPS, ("deployments", "statefulsets", "daemonsets"), ("get",)),
            Rule(_APPS, ("replicasets",), ("get", "list")),
        )
    ),
    Action.DELETE_POD: Rights((Rule("", ("pods",), ("get", "delete")),)),
    Action.UPDATE_IMAGE: _ON_ROLLED_OUT,
    Action.PATCH_DEPLOYMENT: _ON_DEPLOYMENT_AND_KEPT,
    Action.ROLLBACK_DEPLOYMENT: Rights(
        (_ROLLED_OUT, Rule(_APPS, ("replicasets",), ("list",)), _KEPT)
    ),
    Action.INCREASE_RESOURCES: _ON_ROLLED_OUT,
    Action.OPTIMIZE_RESOURCES: _JOB,
    Action.UPDATE_HPA: Rights((Rule("autoscaling", ("horizontalpodautoscalers",), _CHANGE),)),
    Action.UPDATE_CONFIGMAP: Rights((Rule("", ("configmaps",), _CHANGE), _KEPT)),
    Action.UPDATE_SECRET: _ON_SECRET,
    Action.APPLY_MANIFEST: Rights(
        (
            Rule("", ("configmaps", "services", "persistentvolumeclaims"), _MANIFEST),
            Rule(_APPS, ("deployments", "statefulsets", "daemonsets"), _MANIFEST),
            Rule("batch", ("jobs", "cronjobs"), _MANIFEST),
            Rule("autoscaling", ("horizontalpodautoscalers",), _MANIFEST),
            Rule("policy", ("poddisruptionbudgets",), _MANIFEST),
            Rule(_NETWORKING, ("networkpolicies", "ingresses"), _MANIFEST),
            _KEPT,
        )
    ),
    Action.CORDON_NODE: _ON_NODE,
    Action.UNCORDON_NODE: _ON_NODE,
    Action.DRAIN_NODE: Rights(
        (
            _NODE,
            Rule("", ("pods",), ("list",)),
            Rule("", ("pods/eviction",), ("create",)),
        ),
        scope=Scope.CLUSTER,
    ),
    Action.TAINT_NODE: _ON_NODE,
    Action.UNTAINT_NODE: _ON_NODE,
    Action.QUARANTINE_POD: Rights(
        (
            Rule("", ("pods",), _CHANGE),
            Rule(_NETWORKING, _POLICY, ("get", "create", "delete")),
        )
    ),
    Action.EXPAND_PVC: Rights((Rule("", ("persistentvolumeclaims",), _SETTLE),)),
    Action.ROTATE_SECRETS: _ON_SECRET,
    Action.UPDATE_NETWORK_POLICY: Rights((Rule(_NETWORKING, _POLICY, _CHANGE), _KEPT)),
    Action.MIGRATE_WORKLOAD: Rights((Rule(_APPS, ("deployments", "statefulsets"), _SETTLE),)),
    Action.ENABLE_DEBUG_MODE: _ON_DEPLOYMENT_AND_KEPT,
    Action.RESTART_NETWORK: Rights((_DAEMON_SET,), scope=Scope.SYSTEM),
    Action.RESET_SERVICE_MESH: _JOB,
    Action.CLEANUP_STORAGE: _JOB,
    Action.BACKUP_DATA: _JOB,
    Action.COMPACT_STORAGE: _JOB,
    Action.FAILOVER_DATABASE: _JOB,
    Action.REPAIR_DATABASE: _JOB,
    Action.COLLECT_DIAGNOSTICS: Rights(
        (
            Rule(_APPS, ("deployments", "statefulsets", "daemonsets"), ("get",)),
            Rule("", ("pods",), ("get", "list")),
            Rule("", ("events",), ("list",)),
        )
    ),
    Action.AUDIT_LOGS: _JOB,
    Action.CREATE_HEAP_DUMP: _JOB,
    Action.ROLLOUT_STATUS: Rights((Rule(_APPS, ("deployments",), ("get", "watch")),)),
    Action.WAIT_FOR_CONDITION: Rights(
        (
            Rule(_APPS, ("deployments",), ("get", "watch")),
            Rule("batch", ("jobs",), ("get", "watch")),
            Rule("", ("pods",), ("get", "watch")),
        )
    ),
    Action.LABEL_RESOURCE: Rights((_WORKLOADS, _MARKED)),
    Action.ANNOTATE_RESOURCE: Rights((_WORKLOADS, _MARKED, _KEPT)),
    Action.CUSTOM: _JOB,
}
"""Every action that touches the cluster; one that is not here needs nobody's rights."""
