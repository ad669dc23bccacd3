"""Where the state before a change is kept: in the status, or in a Secret that it names.

Values of Secrets, and of fields that often hold some, are never in a status. Nor is what is
too large for one; what is too large for a Secret too is not changed at all.
"""

import base64
import re
from typing import Any, Final

import msgspec

from services.executor.core.changes import Object, RefusedError, State
from shared.api.enums import ErrorType
from shared.api.execution import KubernetesExecution
from shared.api.groups import SECRET, WORKFLOW_EXECUTION, Kind
from shared.api.meta import WORKFLOW_LABEL, WORKFLOW_UID_LABEL

IN_STATUS_PATHS: Final = 32
IN_STATUS_BYTES: Final = 8192
IN_SECRET_BYTES: Final = 1_000_000
"""A Secret may hold 1 MiB of data."""
TYPE: Final = "kubernaut.ai/undo"
_KEY: Final = "state"
_SENSITIVE: Final = re.compile(
    r"\.(containers|initContainers)$|\.(containers|initContainers)\[[^]]*\]\.env(\[|$)|"
    r"(^|\.)(template|jobTemplate)(\.spec)?$|"
    r"^metadata\.annotations(\.|\[)kubectl\.kubernetes\.io/last-applied"
)


def belongs_in_secret(kind: Kind, state: State) -> bool:
    """Return whether a state may not stand in a status."""
    paths = state.before.keys() | state.after.keys()
    if kind == SECRET or len(paths) > IN_STATUS_PATHS:
        return True
    if any(_SENSITIVE.search(path) for path in paths):
        return True
    return _size(state) > IN_STATUS_BYTES


def shown(state: State, name: str) -> State:
    """Return what may be said of a state that a Secret keeps: its first paths, and where."""
    paths = sorted(state.after)[:IN_STATUS_PATHS]
    return State(
        before=dict.fromkeys(paths, f"(before, in Secret {name})"),
        after=dict.fromkeys(paths, f"(after, in Secret {name})"),
        absent_before=state.absent_before,
    )


def linked(told: State, state: State, *, shown: State, earlier: State) -> State:
    """Return what is said of a state, in the words of an earlier one where it goes on from it.

    Whoever sees only the words can tell by them whether somebody changed the values in between.

    Args:
        told: what is said of it on its own.
        state: as it is kept.
        shown: what is said of the state that an earlier attempt captured.
        earlier: that state, as it is kept.
    """
    if state.before == earlier.after:
        return msgspec.structs.replace(told, before=shown.after)
    if state.before == earlier.before:
        return msgspec.structs.replace(told, before=shown.before)
    return told


def secret_of(execution: KubernetesExecution, name: str, state: State) -> Object:
    """Return the Secret that keeps a state as long as the workflow is there.

    Raises:
        RefusedError: when it is too large to be kept.
    """
    encoded = msgspec.json.encode(state, order="deterministic")
    if len(encoded) > IN_SECRET_BYTES:
        message = (
            f"the state before has {len(encoded)} bytes, more than the {IN_SECRET_BYTES} that can "
            "be kept to undo the change; make smaller changes"
        )
        raise RefusedError(ErrorType.VALIDATION_ERROR, message, reason="StateTooLarge")
    ref = execution.spec.workflow_execution_ref
    owner = {
        "apiVersion": WORKFLOW_EXECUTION.api_version,
        "kind": WORKFLOW_EXECUTION.kind,
        "name": ref.name,
        "uid": ref.uid,
    }
    return {
        "apiVersion": SECRET.api_version,
        "kind": SECRET.kind,
        "metadata": {
            "name": name,
            "labels": {WORKFLOW_LABEL: ref.name[:63].rstrip("-."), WORKFLOW_UID_LABEL: ref.uid},
            "ownerReferences": [owner],
        },
        "type": TYPE,
        "immutable": True,
        "data": {_KEY: base64.b64encode(encoded).decode()},
    }


def is_kept_for(secret: Object, execution: KubernetesExecution) -> bool:
    """Return whether a Secret keeps something for the workflow of an execution."""
    owners = secret["metadata"].get("ownerReferences", [])
    uid = execution.spec.workflow_execution_ref.uid
    return secret.get("type") == TYPE and any(owner["uid"] == uid for owner in owners)


def state_in(secret: Object) -> State:
    """Return the state that a Secret keeps.

    Raises:
        RefusedError: when it keeps none.
    """
    try:
        encoded: Any = base64.b64decode(secret["data"][_KEY], validate=True)
        return msgspec.json.decode(encoded, type=State)
    except (KeyError, TypeError, ValueError) as error:
        name = secret.get("metadata", {}).get("name", "")
        message = f"Secret {name} does not hold the state before any more"
        raise RefusedError(
            ErrorType.RESOURCE_CONFLICT, message, reason="UndoDataMissing"
        ) from error


def _size(state: State) -> int:
    texts = [*state.before.items(), *state.after.items()]
    return sum(len(path) + len(each) for path, each in texts)
