"""What an action does to its target, as plain data.

An action renders a `Change` from the live object, or refuses with a reason; a `Verdict`
says whether the target has settled. Nothing here talks to a cluster.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from shared.api.enums import ErrorType, ExecutionKind, OnDrift
from shared.api.execution import (
    CapturedInverse,
    KubernetesExecution,
    RollbackOf,
    TargetRef,
)
from shared.api.groups import Kind
from shared.api.parameters import Parameters
from shared.api.results import StepResult
from shared.errors import MendflowError

Object = dict[str, Any]


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """The object an action is about."""

    kind: Kind
    name: str
    namespace: str

    def __str__(self) -> str:
        """Return it as people write it."""
        return f"{self.kind.kind} {self.namespace}/{self.name}"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A merge patch of one object, and the fields it owns before and after."""

    patch: Object
    before: dict[str, str]
    after: dict[str, str]
    rollback_action: str = ""
    """Empty when the change cannot be undone."""
    rollback_parameters: Parameters | None = None


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """The target has settled as wanted."""

    result: StepResult


class NotYet(msgspec.Struct, frozen=True, kw_only=True):
    """The target is on its way."""

    message: str


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """The target will not settle."""

    error: ErrorType
    message: str


Verdict = Done | NotYet | Broken


class RefusedError(MendflowError):
    """The action cannot be carried out; the step fails with this error type and message."""

    def __init__(self, error: ErrorType, message: str, *, reason: str = "ActionFailed") -> None:
        self.error = error
        super().__init__(reason, message)


def too_late(waited_for: str) -> RefusedError:
    """Return the end of a step that ran out of time, and what it still waited for."""
    return RefusedError(
        ErrorType.TIMEOUT, f"out of time while waiting for {waited_for}", reason="Timeout"
    )


def cancelled(message: str) -> RefusedError:
    """Return the end of a step that was cancelled in flight, and whether it made its change."""
    return RefusedError(ErrorType.CANCELLED, message, reason="Cancelled")


def inverse_of(change: Change, live: Object, address: Address) -> CapturedInverse:
    """Return what undoes a change, captured from the object it will be made on."""
    meta = live["metadata"]
    return CapturedInverse(
        available=bool(change.rollback_action),
        rollback_action=change.rollback_action,
        rollback_parameters=change.rollback_parameters,
        target=TargetRef(
            kind=address.kind.kind,
            name=address.name,
            namespace=address.namespace,
            uid=meta["uid"],
        ),
        resource_version=meta["resourceVersion"],
        before=change.before,
        after=change.after,
    )


def continued(inverse: CapturedInverse, earlier: CapturedInverse) -> CapturedInverse:
    """Return the inverse of a step whose earlier attempt made the same change already.

    What was before the step is what its first attempt found, not what that attempt left.
    """
    if (
        earlier.target is None
        or inverse.target is None
        or earlier.target.uid != inverse.target.uid
        or not inverse.before == inverse.after == earlier.after
    ):
        return inverse
    return msgspec.structs.replace(
        earlier, target=inverse.target, resource_version=inverse.resource_version
    )


def without_change(inverse: CapturedInverse) -> CapturedInverse:
    """Return the inverse of what is not going to be changed: nothing to undo."""
    return msgspec.structs.replace(
        inverse, available=False, rollback_action="", rollback_parameters=None
    )


def is_satisfied(execution: KubernetesExecution) -> bool:
    """Return whether a convergent execution found its goal reached, and so changes nothing."""
    captured = execution.status.rollback_information
    return (
        execution.spec.convergent
        and execution.spec.kind is ExecutionKind.FORWARD
        and captured is not None
        and captured.before == captured.after
    )


class Restore(msgspec.Struct, frozen=True, kw_only=True):
    """The target is as the step left it: undo."""


class AlreadyUndone(msgspec.Struct, frozen=True, kw_only=True):
    """The target is as it was before the step."""


class Drifted(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody else changed the target since."""

    message: str


DRIFT_REASON: Final = "RollbackSkippedDrift"


def judge_undo(
    undo: RollbackOf, live: Mapping[str, str], live_uid: str
) -> Restore | AlreadyUndone | Drifted:
    """Compare the live values with those before and after the step: a three-way undo."""
    if undo.target is not None and undo.target.uid != live_uid:
        return Drifted(message=f"{undo.target.kind} {undo.target.name} was replaced by another")
    if dict(live) == undo.after or undo.on_drift is OnDrift.FORCE:
        return Restore()
    if dict(live) == undo.before:
        return AlreadyUndone()
    changed = [path for path in sorted(undo.after) if live.get(path) != undo.after[path]]
    return Drifted(message=f"somebody changed {', '.join(changed)} since; left as it is")
