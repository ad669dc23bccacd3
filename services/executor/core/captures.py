"""What a change does to the fields it owns, and what undoes it, as plain data."""

from copy import deepcopy
from typing import Any, Final

import msgspec

from services.executor.actions.handling import Handler
from services.executor.core import paths
from services.executor.core.changes import Address, Object, State, Wanted
from shared.api.enums import Action
from shared.api.execution import CapturedInverse, KubernetesExecution, TargetRef
from shared.api.groups import SERVICE
from shared.api.meta import LAST_OPERATIONS_ANNOTATION, LOCKED_BY_ANNOTATION
from shared.api.parameters import ActionParameters
from shared.effects.catalogue import with_parameters

_SET_BY_SERVER: Final = (
    "resourceVersion",
    "generation",
    "managedFields",
    "uid",
    "creationTimestamp",
    "selfLink",
    "ownerReferences",
)
_ALLOCATED: Final = (".nodePort", ".clusterIP", ".clusterIPs", ".healthCheckNodePort")
"""Of a Service: chosen anew by each request, also by one that is only tried."""
_PORTS: Final = "spec.ports"
_STAMPS: Final = (LAST_OPERATIONS_ANNOTATION, LOCKED_BY_ANNOTATION)


class Mutation(msgspec.Struct, frozen=True, kw_only=True):
    """What an execution changes: its action, with parameters, on one object."""

    action: Action
    parameters: ActionParameters
    address: Address
    handler: Handler


def state_wanted(live: Object, wanted: Wanted) -> State:
    """Return the owned fields as they are, and as an action wants them."""
    return State(before=paths.observed(live, wanted.fields), after=wanted.fields)


def state_tried(live: Object, tried: Object) -> State:
    """Return the fields that the API server would change, before and after.

    What it sets by itself is left out, and what we stamp: nobody could restore it.
    """
    found = [
        each
        for each in paths.differences(_owned(live), _owned(tried))
        if each[1] != paths.ABSENT or not each[0].endswith(_ALLOCATED)
    ]
    return State(
        before={path: before for path, before, _ in found},
        after={path: after for path, _, after in found},
    )


def state_made(tried: Object, manifest: Object) -> State:
    """Return the fields of an object that a manifest would make, as they would be."""
    known = ("apiVersion", "kind", "metadata")
    named = {key: each for key, each in manifest.items() if key not in known}
    meta = manifest["metadata"]
    marks = {key: meta[key] for key in ("labels", "annotations") if meta.get(key)}
    named |= {"metadata": marks} if marks else {}
    leaves = [path for path in paths.leaves(named) if not _is_left_open(named, path)]
    after = paths.observed(tried, dict.fromkeys(leaves, ""))
    set_there = {path: each for path, each in after.items() if each != paths.ABSENT}
    return State(before={}, after=set_there, absent_before=True)


def inverse_of(
    mutation: Mutation, state: State, live: Object | None, *, shown: State, kept_in: str
) -> CapturedInverse:
    """Return what undoes a change.

    Args:
        mutation: what is changed.
        state: the owned fields before and after.
        live: the object it is captured from; None where there is none.
        shown: what of the state stands in the status.
        kept_in: Secret that holds the state, if it is not the status.
    """
    meta = live["metadata"] if live is not None else {}
    address, undo = mutation.address, mutation.handler.undo
    action, parameters = "", None
    if undo is not None and state.changes:
        named, given = undo(mutation.parameters, state)
        action, parameters = str(named), with_parameters(named, given)
    return CapturedInverse(
        available=bool(action),
        rollback_action=action,
        rollback_parameters=parameters,
        target=TargetRef(
            kind=address.kind.kind,
            name=address.name,
            namespace=address.namespace,
            uid=meta.get("uid", ""),
        ),
        resource_version=meta.get("resourceVersion", ""),
        before=shown.before,
        after=shown.after,
        absent_before=state.absent_before,
        kept_in=kept_in,
    )


def repeats(state: State, earlier: State, *, same_object: bool) -> bool:
    """Return whether an earlier attempt made this change already, and it still stands."""
    return same_object and state.before == state.after == earlier.after


def continued(inverse: CapturedInverse, earlier: CapturedInverse) -> CapturedInverse:
    """Return the inverse of a step whose earlier attempt made the same change already.

    What was before the step is what its first attempt found, not what that attempt left.
    """
    return msgspec.structs.replace(
        earlier, target=inverse.target, resource_version=inverse.resource_version
    )


def with_allocated(inverse: CapturedInverse, live: Object) -> CapturedInverse:
    """Return the inverse with the ports of a Service as the write itself had them allocated.

    Args:
        inverse: with those that its dry run showed.
        live: the object as our write left it.
    """
    tried, made = inverse.after.get(_PORTS, paths.ABSENT), paths.read(live, _PORTS)
    is_service = inverse.target is not None and inverse.target.kind == SERVICE.kind
    if not is_service or inverse.kept_in or paths.ABSENT in {tried, made}:
        return inverse
    if _without_numbers(tried) != _without_numbers(made):
        return inverse
    return msgspec.structs.replace(inverse, after=inverse.after | {_PORTS: made})


def without_change(inverse: CapturedInverse) -> CapturedInverse:
    """Return the inverse of what is not going to be changed: nothing to undo."""
    return msgspec.structs.replace(
        inverse, available=False, rollback_action="", rollback_parameters=None
    )


def stamp_of(execution: KubernetesExecution) -> str:
    """Return the same time stamp for every try of one execution."""
    started = execution.status.start_time
    return started.isoformat().replace("+00:00", "Z") if started else ""


def _without_numbers(ports: str) -> list[Object]:
    """Return the ports of a Service without those that the nodes open for them."""
    return [
        {key: each for key, each in port.items() if key != "nodePort"}
        for port in paths.value(ports)
    ]


def _is_left_open(manifest: Object, path: str) -> bool:
    """Return whether a manifest leaves it to the server what it allocates there."""
    return path.endswith(_ALLOCATED) and not paths.value(paths.read(manifest, path) or "null")


def _owned(live: Object) -> Any:
    kept = deepcopy({key: each for key, each in live.items() if key != "status"})
    for key in _SET_BY_SERVER:
        kept["metadata"].pop(key, None)
    notes = kept["metadata"].get("annotations") or {}
    for key in _STAMPS:
        notes.pop(key, None)
    return kept
