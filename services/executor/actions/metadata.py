"""Labels and annotations, and the label that puts a pod into quarantine."""

from typing import Final

from services.executor.actions.handling import Handler, Material, undone_as, update_done
from services.executor.core.changes import Object, Wanted
from services.executor.core.paths import ABSENT, below, text
from shared.api.enums import Action
from shared.api.meta import QUARANTINE_LABEL
from shared.api.parameters import (
    AnnotateResource,
    LabelResource,
    QuarantinePod,
)


def _intend_labels(parameters: LabelResource, live: Object, material: Material) -> Wanted:
    del live, material
    return _intend("metadata.labels", parameters.labels, parameters.remove)


def _intend_annotations(parameters: AnnotateResource, live: Object, material: Material) -> Wanted:
    del live, material
    return _intend("metadata.annotations", parameters.annotations, parameters.remove)


def _intend(path: str, values: dict[str, str], remove: list[str]) -> Wanted:
    fields = {below(path, key): text(each) for key, each in values.items()}
    return Wanted(fields=fields | {below(path, key): ABSENT for key in remove})


def _intend_quarantine(parameters: QuarantinePod, live: Object, material: Material) -> Wanted:
    del parameters, material
    return Wanted(fields={f"metadata.labels[{QUARANTINE_LABEL}]": text(live["metadata"]["uid"])})


LABELS: Final = Handler(
    intend=_intend_labels,
    judge=update_done("config"),
    undo=undone_as(Action.LABEL_RESOURCE, labels={}, remove=[]),
)
ANNOTATIONS: Final = Handler(
    intend=_intend_annotations,
    judge=update_done("config"),
    undo=undone_as(Action.ANNOTATE_RESOURCE, annotations={}, remove=[]),
)
QUARANTINE: Final = Handler(
    intend=_intend_quarantine, judge=update_done("config"), undo=undone_as(Action.QUARANTINE_POD)
)
