"""What expressions may know of the RemediationRequest behind a workflow.

Pure. The data is pinned in the plan, so the same expression has the same value later. Only
the fields that are named here are taken; where the object cannot be had, a workflow whose
expressions ask for it is refused, and any other one runs without.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from services.planner.core.defects import Defect, Reason
from shared.api.meta import NamedRef
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Step, WorkflowSpec
from shared.expressions.errors import ExpressionError
from shared.expressions.substitution import expressions_in
from shared.expressions.text import masked

MAX_BYTES: Final = 8192
"""Of the data as JSON; it is kept in the workflow's status."""
_MAX_DEPTH: Final = 32
_PATH: Final = "spec.remediationRequestRef"
_FIELDS: Final = ("signalName", "severity", "environment", "priority", "targetType")
_NAMED: Final = re.compile(r"(?<![\w.])(?:remediation|rr)\b")


class Remediation(msgspec.Struct, frozen=True, kw_only=True):
    """The data for the plan, and why the workflow cannot be planned with it, if it cannot."""

    data: dict[str, Any] = {}
    defects: tuple[Defect, ...] = ()


def absent(workflow: WorkflowExecution, why: str) -> Remediation:
    """Return what to plan with when there is no object: nothing, unless it is asked for.

    Args:
        workflow: the one that refers to it.
        why: what is in the way and what to do about it.
    """
    return _refused(why) if asks(workflow) else Remediation()


def foreign(workflow: WorkflowExecution, ref: NamedRef) -> bool:
    """Return whether a reference leaves the namespace, the only one a workflow acts in."""
    return ref.namespace not in {"", workflow.metadata.namespace}


def found(ref: NamedRef, raw: Mapping[str, Any]) -> Remediation:
    """Return the data of the object as it was read."""
    meta = raw.get("metadata", {})
    if ref.uid and ref.uid != meta.get("uid"):
        return _refused(
            f"RemediationRequest {ref.name} has another uid than {ref.uid}; name the present one"
        )
    spec = raw.get("spec") or {}
    data = {
        "name": meta.get("name", ""),
        "namespace": meta.get("namespace", ""),
        **{field: spec.get(field) or "" for field in _FIELDS},
        "providerData": _parsed(spec.get("providerData")),
    }
    if _is_too_deep(data):
        return _refused(f"its data is nested deeper than {_MAX_DEPTH}; flatten providerData")
    size = len(msgspec.json.encode(data))
    if size > MAX_BYTES:
        return _refused(
            f"its data takes {size} bytes, more than the {MAX_BYTES} kept; shorten providerData"
        )
    return Remediation(data=data)


def asks(workflow: WorkflowExecution) -> bool:
    """Return whether any expression of a workflow looks at the RemediationRequest."""
    return any(_NAMED.search(masked(text)) for text in _texts(workflow.spec))


def _texts(spec: WorkflowSpec) -> Iterator[str]:
    steps = list(spec.workflow_definition.steps)
    adaptive = spec.adaptive_orchestration
    for adjustment in adaptive.adjustments if adaptive else ():
        steps += [insertion.step for insertion in adjustment.insert]
        yield adjustment.when or ""
    for step in steps:
        yield from _texts_of(step)


def _texts_of(step: Step) -> Iterator[str]:
    yield step.run_if or ""
    yield step.skip_if or ""
    undo = step.rollback.parameters if step.rollback else None
    for parameters in (step.parameters, undo):
        try:
            yield from (text for _, text in expressions_in(msgspec.to_builtins(parameters)))
        except ExpressionError:
            continue  # validation reports it


def _parsed(data: Any) -> Any:
    """Return provider data as values: JSON, JSON in base64, or else what it is."""
    if not isinstance(data, str):
        return {} if data is None else data
    for text in (data.encode(errors="replace"), _unpacked(data)):
        try:
            return msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            continue
    return data


def _is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [child for each in level for child in _children(each)]
        if not level:
            return False
    return True


def _children(value: Any) -> list[Any]:
    match value:
        case dict():
            return list(value.values())
        case list():
            return value
        case _:
            return []


def _unpacked(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _refused(message: str) -> Remediation:
    defect = Defect(path=_PATH, reason=Reason.INVALID_REMEDIATION_REQUEST, message=message)
    return Remediation(defects=(defect,))
