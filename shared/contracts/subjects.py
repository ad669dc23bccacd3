"""The only place where a subject is built or parsed.

Subjects carry the Kubernetes uid, never a name: names may hold dots, and a dot splits a
NATS token. Names travel in the body.
"""

from enum import StrEnum
from typing import Final

import msgspec

from shared.ids import StepName, Uid


class Service(StrEnum):
    """Names of the services as they stand in subjects."""

    WATCHER = "watcher"
    PLANNER = "planner"
    ORCHESTRATOR = "orch"
    EXECUTOR = "exec"
    MONITOR = "mon"
    ROLLBACK = "rb"


class Fact(StrEnum):
    """Types of events: what happened."""

    WFE_CREATED = "wfe-created"
    WFE_CHANGED = "wfe-changed"
    WFE_DELETED = "wfe-deleted"
    KEX_CHANGED = "kex-changed"
    KEX_DELETED = "kex-deleted"
    APPROVAL_CHANGED = "approval-changed"
    PLAN_READY = "plan-ready"
    PLAN_FAILED = "plan-failed"
    APPROVAL_REQUESTED = "approval-requested"
    APPROVAL_DECIDED = "approval-decided"
    ADJUSTMENT_DUE = "adjustment-due"
    ADJUSTMENT_DECIDED = "adjustment-decided"
    STEP_GRANTED = "step-granted"
    STEP_BLOCKED = "step-blocked"
    STEPS_SETTLED = "steps-settled"
    ROLLBACK_DUE = "rollback-due"
    CLAIMED = "claimed"
    FINISHED = "finished"
    BLOCKED = "blocked"
    UNBLOCKED = "unblocked"
    STEP_COMPLETED = "step-completed"
    STEP_FAILED = "step-failed"
    STEP_RETRYING = "step-retrying"
    WORKFLOW_TIMED_OUT = "workflow-timed-out"
    WORKFLOW_COMPLETED = "workflow-completed"
    ROLLBACK_SETTLED = "rollback-settled"
    ROLLBACK_STARTED = "started"
    ROLLBACK_STEP = "step"
    ROLLBACK_DONE = "done"


class EventSubject(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a stored event subject."""

    uid: Uid
    service: str
    fact: str


ALL_LOOKS: Final = "wf.pol.*.*.*"
"""Where looks of policies are recorded."""
_STORED_EVENT_TOKENS: Final = 6
_COMMAND_TOKENS: Final = 6


def event(uid: Uid, service: Service, fact: Fact) -> str:
    """Return where a fact is published; the server stores it under its partition."""
    return f"wf.evt.{uid}.{service}.{fact}"


def command(uid: Uid, step: StepName, attempt: str) -> str:
    """Return where the order to run one attempt (`f1`, `r1`, `s1` ...) is queued."""
    return f"wf.cmd.{Service.EXECUTOR}.{uid}.{step}.{attempt}"


def timer(service: Service, uid: Uid, key: str) -> str:
    """Return where a timer is armed."""
    return f"wf.tmr.set.{service}.{uid}.{key}"


def timer_target(subject: str) -> str:
    """Return where the timer armed at `subject` will ring."""
    return subject.replace("wf.tmr.set.", "wf.tmr.due.", 1)


def parked(service: Service, reason: str, uid: str) -> str:
    """Return where a message is parked."""
    return f"wf.dlq.{service}.{reason}.{uid}"


def looked(uid: Uid, step: StepName, stage: str) -> str:
    """Return where a look of policies at a step is recorded."""
    return f"wf.pol.{uid}.{step}.{stage}"


def uid_of(subject: str) -> str:
    """Return the workflow uid of any of our subjects, or "unknown"."""
    match subject.split("."):
        case ["wf", "p", _, uid, *_] | ["wf", "cmd", _, uid, *_] | ["wf", "tmr", _, _, uid, *_]:
            return uid
        case ["wf", "evt" | "pol", uid, *_]:
            return uid
        case _:
            return "unknown"


def parse_event(subject: str) -> EventSubject | None:
    """Split a stored event subject, or return None when it is not one."""
    tokens = subject.split(".")
    if len(tokens) != _STORED_EVENT_TOKENS or tokens[:2] != ["wf", "p"]:
        return None
    return EventSubject(uid=Uid(tokens[3]), service=tokens[4], fact=tokens[5])


def form_of(subject: str) -> str:
    """Return a subject with what differs from workflow to workflow left open, to count by."""
    match subject.split("."):
        case ["wf", "cmd", service, _, _, _]:
            return f"wf.cmd.{service}.<uid>.<step>.<attempt>"
        case ["wf", "tmr", state, service, _, *_]:
            return f"wf.tmr.{state}.{service}.<uid>.<key>"
        case ["wf", "dlq", service, reason, _]:
            return f"wf.dlq.{service}.{reason}.<uid>"
        case ["wf", "evt", _, service, fact]:
            return f"wf.evt.<uid>.{service}.{fact}"
        case ["wf", "pol", _, _, stage]:
            return f"wf.pol.<uid>.<step>.{stage}"
        case _:
            return subject
