"""The size of a volume claim, which only ever grows."""

from typing import Final

from services.executor.actions.handling import Handler, Material, refused, updated
from services.executor.core.changes import NotYet, Object, Verdict, Wanted
from services.executor.core.paths import text
from shared.api.execution import CapturedInverse
from shared.api.parameters import ExpandPvc
from shared.effects.quantities import is_less

_REQUEST: Final = "spec.resources.requests.storage"


def _intend(parameters: ExpandPvc, live: Object, material: Material) -> Wanted:
    del material
    now = str(live["spec"].get("resources", {}).get("requests", {}).get("storage", "0"))
    if is_less(parameters.size, now):
        name = live["metadata"]["name"]
        raise refused(f"PersistentVolumeClaim {name} asks for {now}; it cannot become smaller")
    return Wanted(fields={_REQUEST: text(parameters.size)})


def _judge(parameters: ExpandPvc, live: Object, captured: CapturedInverse | None) -> Verdict:
    status = live.get("status", {})
    capacity = str(status.get("capacity", {}).get("storage", "0"))
    if status.get("phase") != "Bound" or not is_less(capacity, parameters.size):
        return updated("spec", live, captured)
    return NotYet(message=f"the volume has {capacity} of {parameters.size}")


SIZE: Final = Handler(intend=_intend, judge=_judge)
