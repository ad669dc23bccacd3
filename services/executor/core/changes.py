"""What an action does to its target, as plain data.

An action renders a `Change` from the live object, or refuses with a reason; a `Verdict`
says whether the target has settled. Nothing here talks to a cluster.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from shared.api.enums import ErrorType, ExecutionKind, OnDrift
from shared.api.execution import (
    KubernetesExecution,
    RollbackOf,
)
from shared.api.results import CustomResult, StepResult
from shared.effects.forms import Form
from shared.effects.targets import Address
from shared.errors import MendflowError
from shared.workflow.undone import UNKNOWN

__all__ = ["Address"]

Object = dict[str, Any]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Fields that an action sets, by path; an absent one is to be taken out."""

    fields: dict[str, str]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A patch of which only the API server can say what it sets."""

    form: Form
    body: Any
    force: bool = False
    """Take over fields that another manager owns."""


Intention = Wanted | Asked


class State(msgspec.Struct, frozen=True, kw_only=True):
    """The fields a change owns, by path, as they were before it and as it leaves them."""

    before: dict[str, str]
    after: dict[str, str]
    absent_before: bool = False
    """Whether the object itself was not there."""

    @property
    def changes(self) -> bool:
        """Return whether anything differs."""
        return self.absent_before or self.before != self.after


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
    reason: str = "ActionFailed"

    def as_error(self) -> "RefusedError":
        """Return the end of the step."""
        return RefusedError(self.error, self.message, reason=self.reason)


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


def removed(address: Address) -> StepResult:
    """Return the result of a change whose object is gone."""
    told = CustomResult(action_type="delete", output=f"{address} was deleted")
    return StepResult(success=True, custom_result=told)


def unknown(what: str) -> RefusedError:
    """Return the end of a step whose execution was deleted, and what is not known of it."""
    message = f"its execution was deleted, and {what}"
    return RefusedError(ErrorType.UNKNOWN_ERROR, message, reason=UNKNOWN)


def cancelled(message: str) -> RefusedError:
    """Return the end of a step that was cancelled in flight, and whether it made its change."""
    return RefusedError(ErrorType.CANCELLED, message, reason="Cancelled")


def is_satisfied(execution: KubernetesExecution) -> bool:
    """Return whether a convergent execution found its goal reached, and so changes nothing."""
    captured = execution.status.rollback_information
    return (
        execution.spec.convergent
        and execution.spec.kind is ExecutionKind.FORWARD
        and captured is not None
        and not captured.kept_in
        and not captured.absent_before
        and captured.before == captured.after
    )


class Restore(msgspec.Struct, frozen=True, kw_only=True):
    """The target is as the step left it: undo."""


class AlreadyUndone(msgspec.Struct, frozen=True, kw_only=True):
    """The target is as it was before the step."""


class Drifted(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody else changed the target since."""

    message: str


_SHOWN: Final = 4


def judge_undo(
    undo: RollbackOf, state: State, live: Mapping[str, str], live_uid: str
) -> Restore | AlreadyUndone | Drifted:
    """Compare the live values with those before and after the step: a three-way undo."""
    if undo.target is not None and undo.target.uid != live_uid:
        return Drifted(message=f"{undo.target.kind} {undo.target.name} was replaced by another")
    if dict(live) == state.after or undo.on_drift is OnDrift.FORCE:
        return Restore()
    if dict(live) == state.before and not state.absent_before:
        return AlreadyUndone()
    changed = [path for path in sorted(state.after) if live.get(path) != state.after[path]]
    shown = ", ".join(changed[:_SHOWN]) + (" and more" if len(changed) > _SHOWN else "")
    return Drifted(message=f"somebody changed {shown} since; left as it is")
