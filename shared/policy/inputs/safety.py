"""The input of safety policies: the change, its target, and the cluster around it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from shared.api.groups import DEPLOYMENT, NODE
from shared.api.meta import SUBMITTED_BY_ANNOTATION
from shared.api.workflow import WorkflowExecution
from shared.effects.marks import is_ours
from shared.limits import GitOps
from shared.policy.inputs import deployments
from shared.policy.inputs.bounds import bounded, pairs
from shared.policy.inputs.nodes import is_available, is_control_plane, is_cordoned, is_ready, named
from shared.policy.inputs.targets import Asked

Object = Mapping[str, Any]

_ENVIRONMENT_LABELS: Final = ("environment", "kubernaut.ai/environment")


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What was read around a change; nothing in it stands for a read that failed."""

    target: Object | None
    """The live object; None when there is none, or the action changes nothing."""
    namespace: Object | None
    """The live namespace of the target; None for what belongs to no namespace."""
    nodes: Sequence[Object]


def safety_input(
    workflow: WorkflowExecution,
    asked: Asked,
    around: Surroundings,
    *,
    step_name: str,
    rollback: bool,
    gitops: GitOps,
    now: datetime,
) -> dict[str, Any]:
    """Return what safety policies get to see of a change.

    Args:
        workflow: on whose behalf.
        asked: what is to be done.
        around: the cluster as it is.
        step_name: for which step.
        rollback: whether it undoes something.
        gitops: what becomes of a change to what a GitOps tool owns.
        now: the time, aware and in UTC.

    Raises:
        PermanentError: when there is too much to show.
    """
    data = {
        "action": str(asked.action),
        "changes_cluster": asked.changes_cluster,
        "parameters": asked.flat_parameters,
        "target_resource": _target(asked, around.target),
        "cluster_info": _cluster(around.nodes),
        "production": is_production(around.namespace),
        "now": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "rollback": rollback,
        "gitops": str(gitops),
        "dry_run": False,
        "metadata": _metadata(workflow, step_name),
    }
    if asked.target and asked.target.kind == NODE:
        data["node"] = _node(named(around.nodes, asked.target.name))
    return bounded(data)


def is_production(namespace: Object | None) -> bool:
    """Return whether a namespace is labelled as production."""
    labels = ((namespace or {}).get("metadata") or {}).get("labels") or {}
    return any(labels.get(key) == "production" for key in _ENVIRONMENT_LABELS)


def _target(asked: Asked, live: Object | None) -> dict[str, Any]:
    target = asked.target
    meta = (live or {}).get("metadata") or {}
    found: dict[str, Any] = {
        "found": live is not None,
        "kind": target.kind.kind if target else "",
        "name": target.name if target else "",
        "namespace": target.namespace if target else "",
        "labels": pairs(meta.get("labels"), of="labels of the target"),
        "annotations": pairs(meta.get("annotations"), of="annotations of the target"),
    }
    if live is not None and target and target.kind == DEPLOYMENT:
        found["replicas"] = deployments.replicas(live)
    return found


def _cluster(nodes: Sequence[Object]) -> dict[str, int]:
    return {
        "total_nodes": len(nodes),
        "available_nodes": sum(is_available(node) for node in nodes),
        "control_plane_nodes": sum(is_control_plane(node) for node in nodes),
    }


def _node(node: Object | None) -> dict[str, Any]:
    if node is None:
        return {"found": False}
    return {
        "found": True,
        "ready": is_ready(node),
        "unschedulable": is_cordoned(node),
        "control_plane": is_control_plane(node),
    }


def _metadata(workflow: WorkflowExecution, step_name: str) -> dict[str, Any]:
    meta = workflow.metadata
    ours = {key: value for key, value in meta.annotations.items() if is_ours(key)}
    return {
        "workflow": meta.name,
        "namespace": meta.namespace,
        "step": step_name,
        "submitter": meta.annotations.get(SUBMITTED_BY_ANNOTATION, "")[:512],
        "annotations": pairs(ours, of="annotations of the workflow"),
    }
