"""Which handler an action that changes an object has."""

from collections.abc import Mapping
from typing import Final

from services.executor.actions import (
    config,
    deployments,
    metadata,
    network,
    nodes,
    pod_templates,
    scaling,
    storage,
)
from services.executor.actions.handling import Handler
from shared.api.enums import Action

HANDLERS: Final[Mapping[Action, Handler]] = {
    Action.SCALE_DEPLOYMENT: scaling.SCALE,
    Action.SCALE_STATEFULSET: scaling.SCALE,
    Action.UPDATE_HPA: scaling.HPA,
    Action.RESTART_DEPLOYMENT: pod_templates.RESTART,
    Action.RESTART_DAEMONSET: pod_templates.RESTART,
    Action.RESTART_NETWORK: pod_templates.RESTART,
    Action.UPDATE_IMAGE: pod_templates.IMAGE,
    Action.INCREASE_RESOURCES: pod_templates.RESOURCES,
    Action.ENABLE_DEBUG_MODE: pod_templates.DEBUG,
    Action.MIGRATE_WORKLOAD: pod_templates.MIGRATION,
    Action.PATCH_DEPLOYMENT: deployments.PATCH,
    Action.ROLLBACK_DEPLOYMENT: deployments.REVISION,
    Action.CORDON_NODE: nodes.SCHEDULABLE,
    Action.UNCORDON_NODE: nodes.SCHEDULABLE,
    Action.DRAIN_NODE: nodes.SCHEDULABLE,
    Action.TAINT_NODE: nodes.TAINT,
    Action.UNTAINT_NODE: nodes.NO_TAINT,
    Action.UPDATE_CONFIGMAP: config.CONFIG,
    Action.UPDATE_SECRET: config.SECRET,
    Action.ROTATE_SECRETS: config.ROTATION,
    Action.APPLY_MANIFEST: config.MANIFEST,
    Action.LABEL_RESOURCE: metadata.LABELS,
    Action.ANNOTATE_RESOURCE: metadata.ANNOTATIONS,
    Action.QUARANTINE_POD: metadata.QUARANTINE,
    Action.UPDATE_NETWORK_POLICY: network.RULES,
    Action.EXPAND_PVC: storage.SIZE,
}
