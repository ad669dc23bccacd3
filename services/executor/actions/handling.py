"""What every action that changes an object offers, and what it is given."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from services.executor.actions import rollouts
from services.executor.core.changes import (
    Done,
    Intention,
    Object,
    RefusedError,
    State,
    Verdict,
)
from services.executor.core.paths import ABSENT, value
from shared.api.enums import Action, ErrorType
from shared.api.execution import CapturedInverse
from shared.api.parameters import ActionParameters
from shared.api.results import StepResult, UpdateResult

_SHOWN = 1024


class Material(msgspec.Struct, frozen=True, kw_only=True):
    """What an action decides by besides its parameters and the live object."""

    stamp: str
    """When the execution began; the same for every try."""
    replica_sets: Sequence[Object] = ()
    """Those of the Deployment, for going back to a revision."""
    source: Object | None = None
    """The Secret that values are copied from."""
    fresh: Mapping[str, str] = {}
    """New random values, by key."""


class Handler(msgspec.Struct, frozen=True, kw_only=True):
    """One action as functions over plain data."""

    intend: Callable[[Any, Object, Material], Intention]
    """What it wants of the live object. Raises RefusedError."""
    judge: Callable[[Any, Object, CapturedInverse | None], Verdict]
    """Whether the target has settled."""
    undo: Callable[[Any, State], tuple[Action, ActionParameters]] | None = None
    """What its undo is called; None where the change cannot be undone."""


def refused(message: str) -> RefusedError:
    """Return that parameters do not fit the live object."""
    return RefusedError(ErrorType.VALIDATION_ERROR, message)


def undone_as(
    action: Action, **blank: object
) -> Callable[[Any, State], tuple[Action, ActionParameters]]:
    """Return the undo of an action that is called by its own name.

    What is written comes from the captured state; `blank` are the parameters that would repeat
    what the step had set.
    """

    def undo(parameters: Any, state: State) -> tuple[Action, ActionParameters]:
        del state
        return action, msgspec.structs.replace(parameters, **blank)

    return undo


def update_done(update_type: str) -> Callable[[Any, Object, CapturedInverse | None], Verdict]:
    """Return a judge for what has settled as soon as it is written."""

    def judge(parameters: Any, live: Object, captured: CapturedInverse | None) -> Verdict:
        del parameters
        return updated(update_type, live, captured)

    return judge


def rollout_done(update_type: str) -> Callable[[Any, Object, CapturedInverse | None], Verdict]:
    """Return a judge for what has settled once it is rolled out."""

    def judge(parameters: Any, live: Object, captured: CapturedInverse | None) -> Verdict:
        del parameters
        return rollouts.unsettled(live) or updated(update_type, live, captured)

    return judge


def updated(update_type: str, live: Object, captured: CapturedInverse | None) -> Done:
    """Return what an update changed, as people read it."""
    before, after = (captured.before, captured.after) if captured else ({}, {})
    result = UpdateResult(
        resource_type=live.get("kind", ""),
        update_type=update_type,
        previous_value=shown(before),
        new_value=shown(after),
    )
    return Done(result=StepResult(success=True, update_result=result))


def shown(values: Mapping[str, str]) -> str:
    """Return values as people read them; of several, each with its path."""
    if len(values) == 1:
        return plain(next(iter(values.values())))[:_SHOWN]
    return ", ".join(f"{path}: {plain(text)}" for path, text in sorted(values.items()))[:_SHOWN]


def plain(text: str) -> str:
    """Return a value as people write it: texts without quotes."""
    if not text.startswith('"'):
        return text or "unset" if text == ABSENT else text
    found = value(text)
    return found if isinstance(found, str) else text
