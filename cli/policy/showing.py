"""What a backtest found, as a table, a line, or JSON."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from rich import box
from rich.table import Table
from rich.text import Text

from cli.policy.replaying import Replayed
from cli.policy.telling import shown

MOST_ROWS: Final = 200
_ABSENT: Final = "none"


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The sum of a backtest."""

    revision: str
    """Of the policies as they would be."""
    replayed: int
    without_input: int
    masked: int
    changes: Sequence[Replayed]
    is_cut: bool = False
    """Whether there is more than was read."""

    @property
    def denied(self) -> int:
        """Return how many would not be allowed any more."""
        return sum(each.was_allowed for each in self.changes)

    @property
    def allowed(self) -> int:
        """Return how many would be allowed from now on."""
        return len(self.changes) - self.denied


def table(found: Found) -> Table:
    """Return what would change, oldest first; of very many, the newest."""
    made = Table(
        title="What would change", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD
    )
    made.add_column("time", no_wrap=True)
    for heading in ("workflow", "step", "policy"):
        made.add_column(heading, overflow="fold")
    made.add_column("verdict", no_wrap=True)
    made.add_column("reason", overflow="fold")
    for each in found.changes[-MOST_ROWS:]:
        made.add_row(*_row(each), style="red" if each.was_allowed else "green")
    return made


def summary(found: Found) -> list[str]:
    """Return the sum in a line, and what to know about it in more."""
    ways = f"{found.denied} allow->deny, {found.allowed} deny->allow"
    total = f"{found.replayed} replayed, {len(found.changes)} would change ({ways})"
    lines = [f"{total}, {found.without_input} without a recorded input"]
    if len(found.changes) > MOST_ROWS:
        lines.append(f"the {MOST_ROWS} newest changes are shown; --json prints all")
    if found.masked:
        lines.append(
            f"{found.masked} had values in their input that may be secret and were replaced before"
            " they were recorded; a policy that reads those may decide otherwise"
        )
    if found.is_cut:
        lines.append("there is more than was read; a shorter --since looks at the newest alone")
    return lines


def as_json(found: Found) -> bytes:
    """Return it for programs."""
    body = {
        "revision": found.revision,
        "replayed": found.replayed,
        "wouldChange": len(found.changes),
        "allowToDeny": found.denied,
        "denyToAllow": found.allowed,
        "withoutInput": found.without_input,
        "masked": found.masked,
        "isCut": found.is_cut,
        "changes": [_as_plain(each) for each in found.changes],
    }
    return msgspec.json.format(msgspec.json.encode(body), indent=2)


def _row(each: Replayed) -> list[Text]:
    look, before = each.look, each.before
    was = _ABSENT if before is None else _word(before.allowed, before.failure)
    becomes = _word(each.after.allowed, str(each.after.failure or ""))
    reasons = each.after.reasons if each.was_allowed else before.reasons if before else ()
    cells = (
        look.time.strftime("%Y-%m-%d %H:%M:%S"),
        f"{look.namespace}/{look.workflow}",
        look.step,
        f"{each.policy} ({look.stage})",
        f"{was} -> {becomes}",
        "; ".join(reasons),
    )
    # Not as markup, which names and reasons of users are not meant to be.
    return [Text(shown(cell)) for cell in cells]


def _word(allowed: bool, failure: str) -> str:  # noqa: FBT001 - a verdict is one
    word = "allow" if allowed else "deny"
    return f"{word} ({failure})" if failure else word


def _as_plain(each: Replayed) -> dict[str, Any]:
    look, before, after = each.look, each.before, each.after
    return {
        "time": look.time,
        "namespace": look.namespace,
        "workflow": look.workflow,
        "uid": look.uid,
        "step": look.step,
        "action": look.action,
        "stage": look.stage,
        "policy": each.policy,
        "recordedRevision": look.revision,
        "before": None
        if before is None
        else {
            "allowed": before.allowed,
            "failure": before.failure,
            "reasons": before.reasons,
        },
        "after": {
            "allowed": after.allowed,
            "failure": str(after.failure or ""),
            "reasons": after.reasons,
        },
    }
