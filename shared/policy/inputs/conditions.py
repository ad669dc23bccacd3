"""The input of pre- and postconditions: one Deployment, its pods, and where more would fit."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from shared.api.groups import DEPLOYMENT
from shared.policy.inputs import deployments
from shared.policy.inputs.bounds import bounded
from shared.policy.inputs.capacity import Amount, free, requested
from shared.policy.inputs.nodes import matches, takes
from shared.policy.inputs.pods import pod_facts
from shared.policy.inputs.quantities import cpu_text, memory_text
from shared.policy.inputs.targets import Asked

Object = Mapping[str, Any]

PullSecrets = Mapping[str, str | None]
"""Type of each image pull secret, None where there is none of that name."""

_PULL_SECRET_TYPES: Final = frozenset({"kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"})


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """All nodes, and what pods of every namespace hold of them."""

    nodes: Sequence[Object]
    held: Mapping[str, Amount]


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What was read for one look; nothing in it stands for a read that failed."""

    deployment: Object | None
    """None when there is none of that name, or the action is not about one."""
    baseline: int | None = None
    """Replicas that it had when the workflow was planned; None when nobody noted them."""
    pods: Sequence[Object]
    room: Room | None = None
    """None when capacity was not asked for: then no key speaks of it."""
    pull_secrets: PullSecrets | str | None = None
    """The image pull secrets, or why they could not be read; None when nobody asked for them:
    then no key speaks of them."""


def condition_input(asked: Asked, seen: Seen, *, namespace: str) -> dict[str, Any]:
    """Return what the conditions of a step get to see.

    Args:
        asked: what the step is to do.
        seen: the cluster as it is.
        namespace: the workflow's own.

    Raises:
        PermanentError: when an object holds what is no quantity, or there is too much.
    """
    live = seen.deployment
    target = asked.target
    current = deployments.replicas(live) if live is not None else 0
    wanted = current if asked.replicas is None else asked.replicas
    conditions = deployments.conditions(live)
    data = {
        "action": str(asked.action),
        "parameters": asked.flat_parameters,
        "namespace": target.namespace if target else namespace,
        "deployment_name": target.name if target and target.kind == DEPLOYMENT else "",
        "deployment_found": live is not None,
        "current_replicas": current,
        "target_replicas": wanted,
        "additional_replicas": max(0, wanted - current),
        "conditions": conditions,
        "deployment_available": conditions["Available"],
        **_expected(asked, seen),
        **pod_facts(seen.pods),
        **_needs(live),
        **_room(live, seen.room),
        **_secrets(seen.pull_secrets),
    }
    return bounded(data)


def _expected(asked: Asked, seen: Seen) -> dict[str, int]:
    """Return how many replicas there are to be before the step, if anybody said so."""
    found = seen.baseline if asked.expected_replicas is None else asked.expected_replicas
    return {} if found is None else {"expected_baseline": found}


def _needs(live: Object | None) -> dict[str, str]:
    """Return what one pod asks for; without a Deployment nobody knows, and no key says."""
    if live is None:
        return {}
    each = requested(deployments.pod_spec(live))
    return {
        "required_cpu_per_pod": cpu_text(each.cpu, up=True),
        "required_memory_per_pod": memory_text(each.memory, up=True),
    }


def _room(live: Object | None, room: Room | None) -> dict[str, Any]:
    if room is None:
        return {}
    spec = deployments.pod_spec(live) if live is not None else {}
    found = free(room.nodes, room.held, spec)
    matching = [node for node in room.nodes if matches(node, spec)]
    return {
        "matching_nodes": len(matching),
        "ready_nodes": sum(takes(node, spec) for node in matching),
        "available_cpu": cpu_text(found.total.cpu),
        "available_memory": memory_text(found.total.memory),
        "largest_gap_cpu": cpu_text(found.largest_gap.cpu),
        "largest_gap_memory": memory_text(found.largest_gap.memory),
    }


def _secrets(types: PullSecrets | str | None) -> dict[str, Any]:
    if types is None:
        return {}
    if isinstance(types, str):
        return {"image_pull_secrets_unread": types}
    invalid = sorted(name for name, type_ in types.items() if type_ not in _PULL_SECRET_TYPES)
    return {
        "image_pull_secrets_exist": None not in types.values(),
        "image_pull_secrets_valid": not invalid,
        "invalid_secrets": invalid,
    }
