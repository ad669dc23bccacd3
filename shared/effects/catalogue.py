"""The action catalogue: what each action is called, needs, takes and leaves behind.

Data only; how an action acts is in `services.executor.actions`. Names in other spellings
(ScaleDeployment, scale-deployment) are aliases of the canonical snake_case one.
Source: requirements 3.3.
"""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from enum import StrEnum
from typing import Final

import msgspec

from shared.api.enums import Action
from shared.api.groups import (
    CONFIG_MAP,
    DAEMON_SET,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    NETWORK_POLICY,
    NODE,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SECRET,
    STATEFUL_SET,
    Kind,
)
from shared.api.parameters import ActionParameters, Parameters


class Family(StrEnum):
    """Which module of the executor carries an action out."""

    WORKLOADS = "workloads"
    PODS = "pods"
    NODES = "nodes"
    CONFIG = "config"
    NETWORK = "network"
    STORAGE = "storage"
    JOBS = "jobs"
    READS = "reads"


class Reversal(StrEnum):
    """What becomes of the effect of an action when its workflow is rolled back."""

    CAPTURED = "captured"
    """The state before is captured and restored."""
    NONE = "none"
    """What was done cannot be undone."""
    NEEDLESS = "needless"
    """There is nothing to undo."""


class ActionEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the catalogue."""

    action: Action
    family: Family
    timeout: str
    """Default longest time of one attempt."""
    reversal: Reversal
    kind: Kind | None = None
    """Kind of its target, where it has always the same."""
    named_by: str = ""
    """Parameter that names the target."""
    changes_cluster: bool = True

    @property
    def reversible(self) -> bool:
        """Return whether the state before is captured and restored."""
        return self.reversal is Reversal.CAPTURED


def _entry(
    action: Action,
    family: Family,
    timeout: str,
    reversal: Reversal,
    target: tuple[Kind, str] | None = None,
) -> ActionEntry:
    kind, named_by = target or (None, "")
    return ActionEntry(
        action=action,
        family=family,
        timeout=timeout,
        reversal=reversal,
        kind=kind,
        named_by=named_by,
    )


def _reads(action: Action, family: Family, timeout: str) -> ActionEntry:
    return ActionEntry(
        action=action,
        family=family,
        timeout=timeout,
        reversal=Reversal.NEEDLESS,
        changes_cluster=False,
    )


_DEPLOYMENT: Final = (DEPLOYMENT, "deployment")
_POD: Final = (POD, "pod")
_NODE: Final = (NODE, "node")
_SECRET: Final = (SECRET, "secret")
_ENTRIES: Final = (
    _entry(Action.SCALE_DEPLOYMENT, Family.WORKLOADS, "5m", Reversal.CAPTURED, _DEPLOYMENT),
    _entry(
        Action.SCALE_STATEFULSET,
        Family.WORKLOADS,
        "5m",
        Reversal.CAPTURED,
        (STATEFUL_SET, "statefulset"),
    ),
    _entry(Action.RESTART_DEPLOYMENT, Family.WORKLOADS, "10m", Reversal.NONE, _DEPLOYMENT),
    _entry(
        Action.RESTART_DAEMONSET, Family.WORKLOADS, "10m", Reversal.NONE, (DAEMON_SET, "daemonset")
    ),
    _entry(Action.UPDATE_IMAGE, Family.WORKLOADS, "10m", Reversal.CAPTURED, _DEPLOYMENT),
    _entry(Action.PATCH_DEPLOYMENT, Family.WORKLOADS, "1m", Reversal.CAPTURED, _DEPLOYMENT),
    _entry(Action.ROLLBACK_DEPLOYMENT, Family.WORKLOADS, "10m", Reversal.CAPTURED, _DEPLOYMENT),
    _entry(Action.INCREASE_RESOURCES, Family.WORKLOADS, "10m", Reversal.CAPTURED, _DEPLOYMENT),
    _entry(
        Action.UPDATE_HPA,
        Family.WORKLOADS,
        "1m",
        Reversal.CAPTURED,
        (HORIZONTAL_POD_AUTOSCALER, "hpa"),
    ),
    _entry(Action.MIGRATE_WORKLOAD, Family.WORKLOADS, "10m", Reversal.CAPTURED),
    _entry(Action.ENABLE_DEBUG_MODE, Family.WORKLOADS, "1m", Reversal.CAPTURED, _DEPLOYMENT),
    _reads(Action.ROLLOUT_STATUS, Family.READS, "1m"),
    _entry(Action.RESTART_POD, Family.PODS, "2m", Reversal.NONE),
    _entry(Action.DELETE_POD, Family.PODS, "2m", Reversal.NONE, _POD),
    _entry(Action.QUARANTINE_POD, Family.PODS, "1m", Reversal.CAPTURED, _POD),
    _entry(Action.CORDON_NODE, Family.NODES, "30s", Reversal.CAPTURED, _NODE),
    _entry(Action.UNCORDON_NODE, Family.NODES, "30s", Reversal.CAPTURED, _NODE),
    _entry(Action.DRAIN_NODE, Family.NODES, "15m", Reversal.CAPTURED, _NODE),
    _entry(Action.TAINT_NODE, Family.NODES, "30s", Reversal.CAPTURED, _NODE),
    _entry(Action.UNTAINT_NODE, Family.NODES, "30s", Reversal.CAPTURED, _NODE),
    _entry(
        Action.UPDATE_CONFIGMAP, Family.CONFIG, "1m", Reversal.CAPTURED, (CONFIG_MAP, "config_map")
    ),
    _entry(Action.UPDATE_SECRET, Family.CONFIG, "1m", Reversal.CAPTURED, _SECRET),
    _entry(Action.ROTATE_SECRETS, Family.CONFIG, "1m", Reversal.CAPTURED, _SECRET),
    _entry(Action.APPLY_MANIFEST, Family.CONFIG, "1m", Reversal.CAPTURED),
    _entry(Action.LABEL_RESOURCE, Family.CONFIG, "1m", Reversal.CAPTURED),
    _entry(Action.ANNOTATE_RESOURCE, Family.CONFIG, "1m", Reversal.CAPTURED),
    _entry(
        Action.UPDATE_NETWORK_POLICY,
        Family.NETWORK,
        "1m",
        Reversal.CAPTURED,
        (NETWORK_POLICY, "networkpolicy"),
    ),
    _entry(Action.RESTART_NETWORK, Family.NETWORK, "5m", Reversal.NONE, (DAEMON_SET, "component")),
    _entry(
        Action.EXPAND_PVC, Family.STORAGE, "5m", Reversal.NONE, (PERSISTENT_VOLUME_CLAIM, "pvc")
    ),
    _entry(Action.OPTIMIZE_RESOURCES, Family.JOBS, "5m", Reversal.NONE),
    _entry(Action.RESET_SERVICE_MESH, Family.JOBS, "5m", Reversal.NONE),
    _entry(Action.CLEANUP_STORAGE, Family.JOBS, "5m", Reversal.NONE),
    _entry(Action.BACKUP_DATA, Family.JOBS, "10m", Reversal.NEEDLESS),
    _entry(Action.COMPACT_STORAGE, Family.JOBS, "30m", Reversal.NONE),
    _entry(Action.FAILOVER_DATABASE, Family.JOBS, "5m", Reversal.NONE),
    _entry(Action.REPAIR_DATABASE, Family.JOBS, "30m", Reversal.NONE),
    _entry(Action.CREATE_HEAP_DUMP, Family.JOBS, "5m", Reversal.NEEDLESS),
    _reads(Action.AUDIT_LOGS, Family.JOBS, "5m"),
    _entry(Action.CUSTOM, Family.JOBS, "5m", Reversal.NONE),
    _reads(Action.WAIT_FOR_CONDITION, Family.READS, "5m"),
    _reads(Action.COLLECT_DIAGNOSTICS, Family.READS, "5m"),
    _reads(Action.NOTIFY_ONLY, Family.READS, "10s"),
)
CATALOGUE: Final = {entry.action: entry for entry in _ENTRIES}
ALIASES: Final = {
    "rollout_restart": Action.RESTART_DEPLOYMENT,
    "update_resource_limits": Action.INCREASE_RESOURCES,
    "patch_config_map": Action.UPDATE_CONFIGMAP,
    "patch_configmap": Action.UPDATE_CONFIGMAP,
    "apply_configmap": Action.UPDATE_CONFIGMAP,
    "apply_config_map": Action.UPDATE_CONFIGMAP,
    "update_config_map": Action.UPDATE_CONFIGMAP,
    "patch_secret": Action.UPDATE_SECRET,
    "verify_deployment": Action.ROLLOUT_STATUS,
    "custom_script": Action.CUSTOM,
    "scale_stateful_set": Action.SCALE_STATEFULSET,
    "restart_daemon_set": Action.RESTART_DAEMONSET,
}
"""Names of their own besides the other spellings of each action's name."""

_INSTEAD: Final = {"patch_resource": (Action.PATCH_DEPLOYMENT, Action.APPLY_MANIFEST)}
"""Names in use elsewhere for what several actions do here."""


def canonical(name: str) -> Action | None:
    """Return the action meant by any spelling of its name, or None when there is none."""
    snake = _snake(name)
    if snake in ALIASES:
        return ALIASES[snake]
    return Action(snake) if snake in set(Action) else None


def meant_by(name: str) -> Sequence[Action]:
    """Return the actions that may be meant by a name that is none; empty when it is like none."""
    snake = _snake(name)
    near = get_close_matches(snake, list(Action), n=1)
    return _INSTEAD.get(snake) or [Action(each) for each in near]


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").lower()


def parameters_of(action: Action, parameters: Parameters) -> ActionParameters | None:
    """Return the typed parameters of `action`, or None when its key is not set."""
    found: ActionParameters | None = getattr(parameters, str(action))
    return found


def with_parameters(action: Action, value: ActionParameters) -> Parameters:
    """Return the keyed union that holds `value` for `action`."""
    return msgspec.structs.replace(Parameters(), **{str(action): value})
