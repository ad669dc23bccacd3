"""Workflows as lines: objects in, lines out, nothing else.

The same lines become a live tree on a terminal, or one printed line per change elsewhere.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import msgspec
from rich.text import Text
from rich.tree import Tree

from shared.api.enums import TERMINAL_PHASES, ExecutionKind, Phase, RollbackStepPhase, StepPhase
from shared.api.execution import KubernetesExecution
from shared.api.parameters import Parameters
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import RollbackStep, StepStatus
from shared.workflow.definition import definition_of

_GLYPHS: Final[dict[str, tuple[str, str]]] = {
    StepPhase.PENDING: ("·", "dim"),
    StepPhase.QUEUED: ("◌", "yellow"),
    StepPhase.BLOCKED: ("◌", "yellow"),
    StepPhase.RUNNING: ("◐", "cyan"),
    StepPhase.VERIFYING: ("◑", "cyan"),
    StepPhase.COMPLETED: ("✔", "green"),
    StepPhase.FAILED: ("✘", "red"),
    StepPhase.SKIPPED: ("⊘", "dim"),
    Phase.ROLLING_BACK: ("↩", "yellow"),
    Phase.ROLLED_BACK: ("↩", "yellow"),
    Phase.ROLLBACK_FAILED: ("✘", "red"),
    Phase.DEGRADED: ("✘", "red"),
    Phase.CANCELLED: ("⊘", "dim"),
}
_BUSY: Final = ("◐", "cyan")
_WAITING: Final = frozenset({StepPhase.PENDING, StepPhase.QUEUED})


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One workflow, one step, or one undo."""

    key: str
    """Stays the same from one look to the next."""
    depth: int
    glyph: str
    style: str
    name: str
    what: str = ""
    state: str
    note: str = ""
    seconds: float | None = None
    """How long it took, or has taken until now."""


def lines_of(
    workflow: WorkflowExecution, executions: Iterable[KubernetesExecution], *, now: datetime
) -> list[Line]:
    """Return a workflow, its steps, and the way back once there is one.

    Args:
        workflow: The workflow.
        executions: Executions of any workflow; those of others are left out.
        now: What running steps are measured against.
    """
    own = [
        each for each in executions if each.spec.workflow_execution_ref.uid == workflow.metadata.uid
    ]
    name, status = workflow.metadata.name, workflow.status
    glyph, style = _GLYPHS.get(status.phase, _BUSY)
    lines = [
        Line(
            key=name,
            depth=0,
            glyph=glyph,
            style=style,
            name=name,
            state=status.phase,
            note=f"{status.progress} %" if not workflow.is_terminal else "",
            seconds=_seconds(status.start_time, _end_of(workflow), now),
        )
    ]
    lines += _steps(workflow, own, now)
    if status.rollback is not None and status.rollback.steps:
        lines += [_undo(workflow, each, own, now) for each in status.rollback.steps]
    return lines


def changed(before: Sequence[Line], after: Sequence[Line]) -> list[Line]:
    """Return the lines whose state is another than it was; passing time is no change.

    A workflow comes before its steps until it has ended, then after them, as it happened.
    """
    known = {line.key: line.state for line in before}
    news = [line for line in after if known.get(line.key, StepPhase.PENDING) != line.state]
    return sorted(news, key=lambda line: line.state in TERMINAL_PHASES and line.depth == 0)


def to_text(line: Line) -> Text:
    """Return one line as it is shown."""
    text = Text()
    text.append(f"{line.glyph} ", style=line.style)
    text.append(f"{line.name:<{max(4, 22 - 4 * line.depth)}} ", style="bold")
    text.append(f"{line.state:<11} ", style=line.style)
    text.append("      " if line.seconds is None else f"{line.seconds:4.1f} s", style="dim")
    for part in (line.what, line.note):
        if part:
            text.append(f"  {part}", style="" if part == line.what else "dim")
    return text


def to_tree(lines: Sequence[Line]) -> Tree:
    """Return lines of one workflow as a tree."""
    root = Tree(to_text(lines[0]), guide_style="dim")
    for line in lines[1:]:
        root.add(to_text(line))
    return root


def _steps(
    workflow: WorkflowExecution, own: Sequence[KubernetesExecution], now: datetime
) -> list[Line]:
    reached = {step.name: step for step in workflow.status.steps}
    lines = []
    for step in definition_of(workflow).steps:
        status = reached.get(step.name, StepStatus(name=step.name))
        latest = _latest(own, step.name, ExecutionKind.FORWARD)
        begun = status.start_time or (latest.status.start_time if latest else None)
        phase = _phase(status, latest)
        glyph, style = _GLYPHS.get(phase, _BUSY)
        lines.append(
            Line(
                key=f"{workflow.metadata.name}/{step.name}",
                depth=1,
                glyph=glyph,
                style=style,
                name=step.name,
                what=describe(step.parameters),
                state=phase,
                note=_note(status, step.depends_on),
                seconds=_seconds(begun, status.completion_time, now),
            )
        )
    return lines


def _phase(status: StepStatus, latest: KubernetesExecution | None) -> StepPhase:
    """Return where a step stands; the executor tells first that it works on it."""
    if latest is None or not latest.is_claimed or latest.spec.attempt < status.attempts:
        return status.phase
    return StepPhase.RUNNING if status.phase in _WAITING else status.phase


def _note(status: StepStatus, needs: Sequence[str]) -> str:
    parts = []
    if status.attempts > 1:
        parts.append(f"attempt {status.attempts}")
    if status.phase is StepPhase.FAILED and status.message:
        parts.append(status.message)
    elif status.phase is StepPhase.PENDING and needs:
        parts.append(f"after {', '.join(needs)}")
    return ", ".join(parts)


def _undo(
    workflow: WorkflowExecution,
    undo: RollbackStep,
    own: Sequence[KubernetesExecution],
    now: datetime,
) -> Line:
    done = _latest(own, undo.name, ExecutionKind.ROLLBACK)
    glyph, style = _GLYPHS[undo.phase]
    seconds = _seconds(done.status.start_time, done.status.completion_time, now) if done else None
    return Line(
        key=f"{workflow.metadata.name}/undo/{undo.name}",
        depth=1,
        glyph="↩" if undo.phase is RollbackStepPhase.COMPLETED else glyph,
        style=style,
        name=f"undo {undo.name}",
        what=describe(done.spec.parameters) if done else "",
        state=undo.phase,
        note="" if undo.phase is RollbackStepPhase.COMPLETED else undo.message or undo.reason,
        seconds=seconds,
    )


def describe(parameters: Parameters) -> str:
    """Return what a step does to what, in a few words."""
    if (scale := parameters.scale_deployment) is not None:
        return f"scale {scale.deployment} to {scale.replicas}"
    if (update := parameters.update_image) is not None:
        image = update.new_image.rpartition("/")[2]
        return f"set image of {update.deployment}/{update.container} to {image}"
    if (restart := parameters.restart_deployment) is not None:
        return f"restart {restart.deployment}"
    if (wait := parameters.wait_for_condition) is not None:
        return f"wait until {wait.target_resource.name} is {wait.condition}"
    if (notify := parameters.notify_only) is not None:
        return f"say {notify.message!r}"
    return ""


def _latest(
    own: Sequence[KubernetesExecution], step: str, kind: ExecutionKind
) -> KubernetesExecution | None:
    found = [each for each in own if each.spec.step_name == step and each.spec.kind is kind]
    return max(found, key=lambda each: each.spec.attempt, default=None)


def _end_of(workflow: WorkflowExecution) -> datetime | None:
    status = workflow.status
    if not workflow.is_terminal:
        return None
    return status.rollback_complete_time or status.execution_complete_time


def _seconds(start: datetime | None, end: datetime | None, now: datetime) -> float | None:
    if start is None:
        return None
    return max(0.0, ((end or now) - start).total_seconds())
