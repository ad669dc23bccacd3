"""Fields of the spec that this version does not carry out yet.

One table, refused rather than ignored: a workflow that asks for an approval must not run
without one. Work that adds a feature removes its row.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from services.planner.core.defects import Defect, Reason, step_path
from shared.api.workflow_spec import Step, WorkflowSpec

_REMOVE: Final = "this version does not carry it out yet; remove it"


class StepRow(msgspec.Struct, frozen=True):
    """One field of a step that is refused when it asks for something."""

    field: str
    asks: Callable[[Step], bool]
    advice: str = _REMOVE


class SpecRow(msgspec.Struct, frozen=True):
    """One field of the whole spec that is refused when it asks for something."""

    field: str
    asks: Callable[[WorkflowSpec], bool]
    advice: str = _REMOVE


STEP_ROWS: Final = (
    StepRow(
        "targetCluster",
        lambda step: step.target_cluster not in {"", "local"},
        'only the cluster Mendflow runs in can be reached; leave it empty or say "local"',
    ),
)
SPEC_ROWS: Final = (
    SpecRow(
        "executionStrategy.safetyChecks", lambda spec: bool(spec.execution_strategy.safety_checks)
    ),
)


def unsupported_in_step(step: Step) -> list[Defect]:
    """Return the fields of a step that would have to be ignored."""
    return [
        _refused(step_path(step.name, field=row.field), row.advice)
        for row in STEP_ROWS
        if row.asks(step)
    ]


def unsupported_in_spec(spec: WorkflowSpec) -> list[Defect]:
    """Return the fields outside the steps that would have to be ignored."""
    return [_refused(f"spec.{row.field}", row.advice) for row in SPEC_ROWS if row.asks(spec)]


def _refused(path: str, advice: str) -> Defect:
    return Defect(path=path, reason=Reason.UNSUPPORTED_FIELD, message=advice)
