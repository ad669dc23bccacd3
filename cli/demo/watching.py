"""A view of the demo's namespace that keeps itself up to date, and drawing it as it moves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import msgspec
from rich.console import Console
from rich.live import Live

from cli.demo import tree
from cli.demo.history import History
from shared.api.execution import KubernetesExecution
from shared.api.groups import DEPLOYMENT, KUBERNETES_EXECUTION, WORKFLOW_EXECUTION, Kind
from shared.api.workflow import WorkflowExecution
from shared.clock import Clock
from shared.kube.client import ApiCluster
from shared.kube.port import Change
from shared.kube.watch import ListWatch
from shared.waiting import happened

_FRAME_S: Final = 0.1


class View:
    """Objects of one namespace, as last seen."""

    def __init__(self, clock: Clock) -> None:
        self.history = History()
        self._clock = clock
        self._workflows: dict[str, WorkflowExecution] = {}
        self._executions: dict[str, KubernetesExecution] = {}
        self.moved = asyncio.Event()

    def workflow(self, name: str) -> WorkflowExecution | None:
        """Return a workflow, or None while it is not there."""
        return self._workflows.get(name)

    def lines(self, name: str) -> list[tree.Line]:
        """Return a workflow as lines; none while it is not there."""
        workflow = self.workflow(name)
        if workflow is None:
            return []
        return tree.lines_of(workflow, self._executions.values(), now=self._clock.now())

    def see(self, kind: Kind, change: Change) -> None:
        """Take note of one change."""
        name = change.object["metadata"]["name"]
        if change.type == "DELETED":
            self._workflows.pop(name, None) if kind is WORKFLOW_EXECUTION else None
        elif kind is WORKFLOW_EXECUTION:
            self._workflows[name] = msgspec.convert(change.object, WorkflowExecution)
        elif kind is KUBERNETES_EXECUTION:
            self._executions[name] = msgspec.convert(change.object, KubernetesExecution)
        else:
            self.history.show(change.object)
        self.moved.set()


@asynccontextmanager
async def watched(cluster: ApiCluster, namespace: str, clock: Clock) -> AsyncIterator[View]:
    """Keep a view up to date for as long as the context is entered."""
    view = View(clock)

    async def follow(kind: Kind) -> None:
        watch = ListWatch(cluster, kind, namespace=namespace, clock=clock)
        async for change in watch.changes():
            view.see(kind, change)

    kinds = (DEPLOYMENT, WORKFLOW_EXECUTION, KUBERNETES_EXECUTION)
    tasks = [asyncio.create_task(follow(kind)) for kind in kinds]
    try:
        yield view
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def draw(
    view: View, name: str, *, console: Console, until: Callable[[], bool], within_s: float
) -> None:
    """Show a workflow until something holds: live on a terminal, else line by line.

    Raises:
        TimeoutError: It does not hold in time.
    """
    async with asyncio.timeout(within_s):
        if console.is_terminal:
            await _draw_live(view, name, console, until)
        else:
            await _print_changes(view, name, console, until)


async def _draw_live(view: View, name: str, console: Console, until: Callable[[], bool]) -> None:
    with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:
        ended = False
        while not ended:
            ended = until()
            if lines := view.lines(name):
                live.update(tree.to_tree(lines), refresh=True)
            await _wait(view)


async def _print_changes(
    view: View, name: str, console: Console, until: Callable[[], bool]
) -> None:
    before: list[tree.Line] = []
    ended = False
    while not ended:
        ended = until()
        after = view.lines(name)
        for line in tree.changed(before, after):
            indent = "  " * line.depth
            console.print(indent, tree.to_text(line), sep="", soft_wrap=True)
        before = after
        if not ended:
            await _wait(view)


async def _wait(view: View) -> None:
    view.moved.clear()
    await happened(view.moved, within_s=_FRAME_S)
