"""What a change of a raw object means for anybody, or None.

Status-only changes are not worth a bell unless the phase moved, or a person decided: each
service says itself what it wrote, and the resync covers what nobody said.
"""

from typing import Any

import msgspec

from shared.api.meta import ON_DRIFT_ANNOTATIONS, WORKFLOW_LABEL, WORKFLOW_UID_LABEL
from shared.contracts.subjects import Fact

Object = dict[str, Any]
DELETED = "DELETED"
_MAX_ANSWER = 16
"""What is remembered of an answer; an annotation may be large."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What was last published of an object."""

    generation: int
    phase: str
    decision: str = ""
    answers: tuple[tuple[str, str], ...] = ()
    """What people decided about drift, by annotation."""


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """Something happened to a workflow, or to one of its children."""

    fact: Fact
    uid: str
    """Of the workflow, also when a child changed."""
    workflow: str
    namespace: str
    step: str = ""
    execution: str = ""
    event_id: str
    """Derived from object and version: two watchers publish the same."""
    generation: int
    resource_version: str


def seen(raw: Object) -> Seen:
    """Return what has to be remembered of an object."""
    status = raw.get("status", {})
    return Seen(
        generation=raw["metadata"].get("generation", 0),
        phase=status.get("phase", ""),
        decision=status.get("decision", ""),
        answers=_answers(raw),
    )


def observe_workflow(type_: str, raw: Object, *, before: Seen | None) -> Observation | None:
    """Return what happened to a workflow, if anybody should look."""
    meta = raw["metadata"]
    if type_ == DELETED:
        fact = Fact.WFE_DELETED
    elif before is None:
        fact = Fact.WFE_CREATED
    elif before != seen(raw):
        fact = Fact.WFE_CHANGED
    else:
        return None
    return Observation(
        fact=fact,
        uid=meta["uid"],
        workflow=meta["name"],
        namespace=meta["namespace"],
        event_id=_event_id(raw, type_),
        generation=meta.get("generation", 0),
        resource_version=meta["resourceVersion"],
    )


def observe_execution(type_: str, raw: Object, *, before: Seen | None) -> Observation | None:
    """Return what happened to an execution, under its workflow's uid."""
    meta, spec = raw["metadata"], raw.get("spec", {})
    if type_ != DELETED and before == seen(raw):
        return None
    reference = spec.get("workflowExecutionRef", {})
    labels = meta.get("labels", {})
    uid = reference.get("uid") or labels.get(WORKFLOW_UID_LABEL, "")
    if not uid:
        return None
    return Observation(
        fact=Fact.KEX_DELETED if type_ == DELETED else Fact.KEX_CHANGED,
        uid=uid,
        workflow=reference.get("name") or labels.get(WORKFLOW_LABEL, ""),
        namespace=meta["namespace"],
        step=spec.get("stepName", ""),
        execution=meta["name"],
        event_id=_event_id(raw, type_),
        generation=meta.get("generation", 0),
        resource_version=meta["resourceVersion"],
    )


def observe_approval(type_: str, raw: Object, *, before: Seen | None) -> Observation | None:
    """Return what happened to a request for approval, under the uid of the waiting workflow."""
    meta, spec = raw["metadata"], raw.get("spec", {})
    reference = spec.get("workflowExecutionRef", {})
    if (type_ != DELETED and before == seen(raw)) or not reference.get("uid"):
        return None
    return Observation(
        fact=Fact.APPROVAL_CHANGED,
        uid=reference["uid"],
        workflow=reference["name"],
        namespace=meta["namespace"],
        step=spec.get("step", ""),
        event_id=_event_id(raw, type_),
        generation=meta.get("generation", 0),
        resource_version=meta["resourceVersion"],
    )


def _answers(raw: Object) -> tuple[tuple[str, str], ...]:
    given = raw["metadata"].get("annotations") or {}
    return tuple(
        sorted(
            (key, said[:_MAX_ANSWER])
            for key, said in given.items()
            if key.startswith(ON_DRIFT_ANNOTATIONS)
        )
    )


def _event_id(raw: Object, type_: str) -> str:
    suffix = ":deleted" if type_ == DELETED else ""
    return f"{raw['metadata']['uid']}:{raw['metadata']['resourceVersion']}{suffix}"
