"""Absolute replica counts, and the bounds of an autoscaler; undone by those before."""

from typing import Final

import msgspec

from services.executor.actions import rollouts
from services.executor.actions.handling import Handler, Material, refused, update_done
from services.executor.core.changes import Done, Object, State, Verdict, Wanted
from services.executor.core.paths import ABSENT, read, text, value
from shared.api.enums import Action
from shared.api.execution import CapturedInverse
from shared.api.parameters import ActionParameters, ScaleDeployment, ScaleStatefulset, UpdateHpa
from shared.api.results import ScaleResult, StepResult

_REPLICAS: Final = "spec.replicas"
_FEWEST: Final = "spec.minReplicas"
_MOST: Final = "spec.maxReplicas"
Scaled = ScaleDeployment | ScaleStatefulset


def _intend(parameters: Scaled, live: Object, material: Material) -> Wanted:
    del live, material
    return Wanted(fields={_REPLICAS: text(parameters.wanted)})


def _judge(parameters: Scaled, live: Object, captured: CapturedInverse | None) -> Verdict:
    waiting = rollouts.unsettled(live)
    if waiting is not None:
        return waiting
    before = int(captured.before.get(_REPLICAS, "0")) if captured else 0
    scaled = ScaleResult(previous_replicas=before, new_replicas=parameters.wanted)
    return Done(result=StepResult(success=True, scale_result=scaled))


def _undo(parameters: Scaled, state: State) -> tuple[Action, ActionParameters]:
    back = msgspec.structs.replace(parameters, replicas=value(state.before[_REPLICAS]))
    if isinstance(back, ScaleDeployment):
        return Action.SCALE_DEPLOYMENT, msgspec.structs.replace(back, expected_replicas=None)
    return Action.SCALE_STATEFULSET, back


def _intend_bounds(parameters: UpdateHpa, live: Object, material: Material) -> Wanted:
    del material
    asked = {_FEWEST: parameters.min_replicas, _MOST: parameters.max_replicas}
    fields = {path: text(int(count)) for path, count in asked.items() if count is not None}
    bounds = {path: fields.get(path) or read(live, path) for path in asked}
    fewest, most = int(bounds[_FEWEST] or "1"), int(bounds[_MOST])
    if fewest > most:
        raise refused(f"minReplicas would be {fewest}, more than maxReplicas {most}")
    return Wanted(fields=fields)


def _undo_bounds(parameters: UpdateHpa, state: State) -> tuple[Action, ActionParameters]:
    def before(path: str) -> int | None:
        found = state.before.get(path, ABSENT)
        return None if found == ABSENT else int(value(found))

    back = msgspec.structs.replace(
        parameters, min_replicas=before(_FEWEST), max_replicas=before(_MOST)
    )
    return Action.UPDATE_HPA, back


SCALE: Final = Handler(intend=_intend, judge=_judge, undo=_undo)
HPA: Final = Handler(intend=_intend_bounds, judge=update_done("spec"), undo=_undo_bounds)
