"""What actions on pods see of them: whose they are, how they are, and which are to go.

Restarting is decided from the live pods alone, so that another executor can go on with it: a
pod that was created before the step began is one of the old, any other one of the new.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from services.executor.core.changes import RefusedError
from shared.api.actions.pods import RestartPod
from shared.api.enums import ErrorType

Object = dict[str, Any]

MIRROR_ANNOTATION: Final = "kubernetes.io/config.mirror"
_FINISHED: Final = frozenset({"Succeeded", "Failed"})
_NAMED: Final = 3
_ONE_OF: Final = "say which pods by one of pod, selector and deployment"


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """The controller of a pod, which makes another one when it goes."""

    kind: str
    name: str
    uid: str


def name_of(pod: Object) -> str:
    """Return namespace and name."""
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def uid_of(pod: Object) -> str:
    """Return the uid."""
    return str(pod["metadata"]["uid"])


def owner_of(live: Object) -> Owner | None:
    """Return the controller of a pod or another object, or None when it has none."""
    for each in live["metadata"].get("ownerReferences") or []:
        if each.get("controller"):
            return Owner(kind=each["kind"], name=each["name"], uid=each["uid"])
    return None


def is_leaving(pod: Object) -> bool:
    """Return whether it was told to end."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def is_finished(pod: Object) -> bool:
    """Return whether all its containers ended for good."""
    return (pod.get("status") or {}).get("phase") in _FINISHED


def is_ready(pod: Object) -> bool:
    """Return whether it serves."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def is_mirror(pod: Object) -> bool:
    """Return whether it only shows what a kubelet runs from a file of its own."""
    return MIRROR_ANNOTATION in (pod["metadata"].get("annotations") or {})


def is_older(pod: Object, than: datetime) -> bool:
    """Return whether it was there at a time; the API server stamps whole seconds."""
    return datetime.fromisoformat(pod["metadata"]["creationTimestamp"]) <= than


def some(names: Iterable[str]) -> str:
    """Return names for a sentence, and how many more there are."""
    found = sorted(names)
    more = len(found) - _NAMED
    told = ", ".join(found[:_NAMED])
    return f"{told} and {more} more" if more > 0 else told


def needs_deletion(pod: Object, grace_s: int) -> bool:
    """Return whether a deletion would still change something: also how long it may take."""
    given = pod["metadata"].get("deletionGracePeriodSeconds")
    return not is_leaving(pod) or (given is not None and given > grace_s)


def refuse_mirror(pod: Object) -> None:
    """Raise RefusedError for a pod that the API server cannot end."""
    if is_mirror(pod):
        message = f"pod {name_of(pod)} mirrors a static pod, which only its node can end"
        raise RefusedError(ErrorType.VALIDATION_ERROR, message)


def refuse_unclear(parameters: RestartPod) -> None:
    """Raise RefusedError unless exactly one of the ways to name pods is used."""
    if sum(map(bool, (parameters.pod, parameters.selector, parameters.deployment))) != 1:
        raise RefusedError(ErrorType.VALIDATION_ERROR, _ONE_OF)


def refuse_unrestartable(pods: Sequence[Object]) -> None:
    """Raise RefusedError when one of the pods would not come back."""
    for pod in pods:
        refuse_mirror(pod)
        if is_finished(pod):
            message = f"pod {name_of(pod)} has finished; use delete_pod to remove it"
            raise RefusedError(ErrorType.VALIDATION_ERROR, message)
    refuse_orphans(pods)


def refuse_orphans(pods: Iterable[Object], *, gone: Collection[Owner] = ()) -> None:
    """Raise RefusedError when one of the pods is without a controller; those gone are none."""
    without = {None, *gone}
    orphans = [name_of(pod) for pod in pods if owner_of(pod) in without and not is_leaving(pod)]
    if orphans:
        message = f"{some(orphans)}: without a controller nobody would bring it back"
        raise RefusedError(ErrorType.VALIDATION_ERROR, f"{message}; use delete_pod")


def in_order(pods: Iterable[Object]) -> list[Object]:
    """Return pods as they are to be replaced: the broken before the ready, then by name."""
    return sorted(pods, key=lambda pod: (is_ready(pod), name_of(pod)))


def wanted_by(live: Object) -> int:
    """Return how many pods a ReplicaSet, StatefulSet or DaemonSet wants."""
    scheduled = (live.get("status") or {}).get("desiredNumberScheduled")
    return int(live["spec"].get("replicas", 1) if scheduled is None else scheduled)


def owned(pods: Iterable[Object], owner: Owner) -> list[Object]:
    """Return the pods of a controller that have not finished."""
    return [pod for pod in pods if owner_of(pod) == owner and not is_finished(pod)]


def missing(its: Iterable[Object], *, there_before: frozenset[str], wanted: int) -> str:
    """Return what a controller lacks before its next pod may go; nothing is an empty string.

    Args:
        its: its pods.
        there_before: those older than the step; whether they are ready is not our doing.
        wanted: how many it is to have.
    """
    its = list(its)
    leaving = [name_of(pod) for pod in its if is_leaving(pod)]
    if leaving:
        return f"{some(leaving)} to end"
    if len(its) < wanted:
        return f"{wanted - len(its)} of {wanted} pods to be created in its place"
    unready = [name_of(pod) for pod in its if uid_of(pod) not in there_before and not is_ready(pod)]
    return f"{some(unready)} to be ready" if unready else ""
