"""Which pods of a node are to be evicted, which are left alone, and what forbids to drain it.

The rules are those of `kubectl drain`, but finished pods are left where they are.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from services.executor.core import pods as seen
from services.executor.core.changes import RefusedError
from shared.api.actions.nodes import DrainNode
from shared.api.enums import ErrorType

Object = dict[str, Any]

_CORDON: Final = "node.kubernetes.io/unschedulable"


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The pods of a node, parted by what becomes of them."""

    to_evict: tuple[Object, ...]
    """Those that are on their way out already are among them: they are waited for."""
    left_alone: dict[str, int]
    """How many, by what they are called in a sentence."""


def select(pods: Sequence[Object], parameters: DrainNode, *, started: datetime) -> Selection:
    """Return what is to become of the pods of a node.

    Args:
        pods: all that are bound to the node.
        parameters: what may be evicted.
        started: when the step began; who insists on the node came back since.

    Raises:
        RefusedError: when one of them stands in the way, with the parameter that allows it.
    """
    whys = [_why_left_alone(pod, parameters, started) for pod in pods]
    to_evict = [pod for pod, why in zip(pods, whys, strict=True) if not why]
    _refuse(to_evict, parameters)
    return Selection(
        to_evict=tuple(sorted(to_evict, key=seen.name_of)),
        left_alone=dict(sorted(Counter(filter(None, whys)).items())),
    )


def outcome(node: str, selection: Selection, *, evicted: int) -> str:
    """Return the sentence about what was done."""
    total = len(selection.to_evict) + sum(selection.left_alone.values())
    told = f"evicted {evicted} of {total} pods of node {node}"
    alone = [f"{count} {_plural(what, count)}" for what, count in selection.left_alone.items()]
    return f"{told} ({', '.join(alone)} left alone)" if alone else told


def _why_left_alone(pod: Object, parameters: DrainNode, started: datetime) -> str:
    """Return what a pod is called that is left alone; nothing for one that is to go."""
    if seen.is_mirror(pod):
        return "mirror pod"
    if seen.is_finished(pod):
        return "finished pod"
    if _is_of_daemon_set(pod):
        return "DaemonSet pod" if parameters.ignore_daemon_sets else ""
    # It would come back as often as it is evicted.
    if not seen.is_older(pod, started) and _tolerates_cordon(pod):
        return "pod that came back"
    return ""


def _refuse(pods: Iterable[Object], parameters: DrainNode) -> None:
    staying = [pod for pod in pods if not seen.is_leaving(pod)]
    unowned = [] if parameters.force else _of(staying, _has_no_owner)
    with_data = [] if parameters.delete_local_data else _of(staying, _has_data)
    refused = [
        f"set {parameter} to {consequence} ({seen.some(found)})"
        for parameter, consequence, found in (
            ("force=true", "evict pods that nobody brings back", unowned),
            ("deleteLocalData=true", "lose the data in emptyDir volumes", with_data),
            ("ignoreDaemonSets=true", "leave pods alone", _of(staying, _is_of_daemon_set)),
        )
        if found
    ]
    if refused:
        message = f"node {parameters.node} is not drained: {'; '.join(refused)}"
        raise RefusedError(ErrorType.VALIDATION_ERROR, message)


def _of(pods: Iterable[Object], holds: Callable[[Object], bool]) -> list[str]:
    return [seen.name_of(pod) for pod in pods if holds(pod)]


def _has_no_owner(pod: Object) -> bool:
    return seen.owner_of(pod) is None


def _has_data(pod: Object) -> bool:
    return any("emptyDir" in volume for volume in pod["spec"].get("volumes") or [])


def _is_of_daemon_set(pod: Object) -> bool:
    owner = seen.owner_of(pod)
    return owner is not None and owner.kind == "DaemonSet"


def _tolerates_cordon(pod: Object) -> bool:
    return any(
        each.get("key") in (None, _CORDON) and each.get("effect") in (None, "NoSchedule")
        for each in pod["spec"].get("tolerations") or []
        if each.get("key") or each.get("operator") == "Exists"
    )


def _plural(what: str, count: int) -> str:
    return what if count == 1 else what.replace("pod", "pods", 1)
