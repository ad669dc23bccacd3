"""What the demo prints at its end: what changed, what was said, where to look."""

import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from rich import box
from rich.table import Table

from cli.demo.history import Change
from cli.demo.place import DEFAULT, EXAMPLES, ROOT, State
from shared.bus.spy import Heard
from shared.contracts.subjects import form_of, uid_of

MEANINGS: Final = {
    "wfe-created": "a workflow is there",
    "wfe-changed": "a workflow changed",
    "wfe-deleted": "a workflow is gone",
    "kex-changed": "an execution changed",
    "kex-deleted": "an execution is gone",
    "approval-changed": "an approval changed",
    "plan-ready": "the plan is ready",
    "plan-failed": "the plan was refused",
    "approval-requested": "a person is asked",
    "approval-decided": "a person answered",
    "adjustment-due": "the plan may have to change",
    "adjustment-decided": "a change of the plan was answered",
    "step-granted": "a step may start",
    "step-blocked": "a step waits for a person",
    "steps-settled": "steps ended that never ran",
    "run-step": "run this attempt",
    "claimed": "an executor took it",
    "finished": "it has done its work",
    "blocked": "another workflow holds its target",
    "unblocked": "its target is free",
    "step-completed": "the step is verified",
    "step-failed": "the step failed",
    "step-retrying": "it failed and will be tried again",
    "workflow-timed-out": "its time was up",
    "rollback-due": "go back",
    "rollback-settled": "an undo has ended",
    "started": "the way back begins",
    "step": "next undo",
    "done": "the way back ends",
    "workflow-completed": "the workflow has ended",
    "precondition": "what its preconditions saw",
    "postcondition": "what its postconditions saw",
    "safety": "what the safety policies saw",
}


def changes_table(title: str, changes: Sequence[Change]) -> Table:
    """Return before and after of each field, and what it was on the way."""
    table = _table(title)
    for heading in ("Deployment", "field", "before", "after", "on the way"):
        table.add_column(heading, overflow="fold")
    for change in changes:
        first, *way = change.values
        last = way.pop() if way else first
        style = "dim" if first == last and not way else "green" if first != last else "yellow"
        table.add_row(change.deployment, change.field, first, last, " → ".join(way), style=style)
    return table


def subjects_table(heard: Iterable[Heard]) -> Table:
    """Return how many messages each form of subject carried, in order of first appearance."""
    counts = Counter(form_of(message.subject) for message in heard)
    table = _table("NATS subjects")
    table.add_column("messages", justify="right")
    table.add_column("subject", no_wrap=True)
    table.add_column("means")
    for form, count in counts.items():
        table.add_row(str(count), form, MEANINGS.get(_fact(form), ""))
    return table


def trace_table(heard: Iterable[Heard], *, uid: str, name: str) -> Table:
    """Return the messages of one workflow in the order they were sent."""
    own = [message for message in heard if _uid_of(message.subject) == uid]
    table = _table(f"The messages of {name}")
    table.add_column("after", justify="right")
    table.add_column("subject", no_wrap=True)
    table.add_column("what")
    start = _sent(own[0]) if own else None
    for message in own:
        sent = _sent(message)
        after = f"{(sent - start).total_seconds():.3f} s" if sent and start else ""
        table.add_row(after, message.subject.replace(uid, f"{uid[:8]}…"), _what(message))
    return table


def _uid_of(subject: str) -> str:
    """Return the workflow's uid, of a parked message too."""
    match subject.split("."):
        case ["wf", "dlq", _, _, uid]:
            return uid
        case _:
            return uid_of(subject)


def look_around(state: State, *, kept: bool, down: str) -> list[str]:
    """Return commands to look around with, ready to be pasted, and how it ends."""
    if not kept:
        return [
            "Everything is stopped and removed again. To look around, leave it running:",
            "",
            "  make demo KEEP=1",
            "",
            "and then, with the addresses it prints:",
            "",
            "  kubectl get wfe -w",
            "  nats sub 'wf.>'",
        ]
    kubectl = f"{state.kubectl} --kubeconfig={shlex.quote(state.kubeconfig)} -n {state.namespace}"
    nats = f"{state.nats_cli or 'nats'} -s {state.nats_url}"
    ports = state.health_ports["executor"], state.metrics_ports["executor"]
    return [
        "It is running. Look around:",
        "",
        f"  {kubectl} get wfe -w",
        f"  {kubectl} get kex",
        f"  {kubectl} get wfe diamond -o yaml --show-managed-fields",
        f"  {nats} sub 'wf.>'",
        f"  {nats} stream ls",
        f"  curl -s localhost:{ports[0]}/readyz; curl -s localhost:{ports[1]}/metrics",
        "",
        "Give it something to do, from another terminal:",
        "",
        f"  {kubectl} create -f {shlex.quote(str(EXAMPLES / 'ten-independent.yaml'))}",
        "",
        "Stop it:",
        "",
        f"  {down}",
    ]


def down_command(folder: Path) -> str:
    """Return what ends a demo that was kept in a folder."""
    root = shlex.quote(str(ROOT))
    if folder == DEFAULT:
        return f"make -C {root} demo-down"
    python = shlex.quote(sys.executable)
    return f"cd {root}; {python} -m cli.demo down --dir {shlex.quote(str(folder))}"


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)


def _fact(subject: str) -> str:
    match subject.split("."):
        case ["wf", "cmd", *_]:
            return "run-step"
        case [*_, last]:
            return last
        case _:
            return ""


def _what(message: Heard) -> str:
    step = message.headers.get("wf-step", "")
    meaning = MEANINGS.get(_fact(message.subject), "")
    return f"{step}: {meaning}" if step else meaning


def _sent(message: Heard) -> datetime | None:
    text = message.headers.get("ce-time", "")
    return datetime.fromisoformat(text) if text else None
