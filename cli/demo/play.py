"""The demo itself: two workflows on two Deployments, and what is to be seen of them."""

import asyncio
from collections.abc import Callable
from typing import Final

from rich.console import Console
from rich.table import Table

from cli.demo import report, watching
from cli.demo.errors import DemoError
from cli.demo.kubectl import Kubectl
from cli.demo.place import EXAMPLES, State
from shared.api.enums import Phase
from shared.api.groups import DEPLOYMENT
from shared.bus.spy import Heard, Spy
from shared.clock import SystemClock
from shared.kube.client import ApiCluster

GOOD: Final = "diamond"
BAD: Final = "rollback"
EXPECTED: Final = {GOOD: Phase.COMPLETED, BAD: Phase.ROLLED_BACK}
_SILENCE_S: Final = 0.5
_TARGETS_S: Final = 300
_WORKFLOW_S: Final = 300.0
"""Long enough for a real cluster that has to fetch images."""


class Play:
    """Runs both workflows and reports, one after the other."""

    def __init__(self, state: State, console: Console, *, problem: Callable[[], str]) -> None:
        """Describe it; nothing is done yet.

        Args:
            state: The running demo.
            console: Where everything is shown.
            problem: Tells why the demo does not run any more, or nothing.
        """
        self._state = state
        self._console = console
        self._kubectl = Kubectl(state.kubectl, state.kubeconfig, state.namespace)
        self._clock = SystemClock()
        self._problem = problem
        self._heard: list[Heard] = []

    async def run(self) -> list[str]:
        """Do everything; return what went otherwise than it should, in sentences.

        Raises:
            DemoError: A command failed.
            MendflowError: A server cannot be reached.
        """
        cluster = await ApiCluster.connect(
            kubeconfig=self._state.kubeconfig,
            field_manager="mendflow-demo",
            qps=0,
            burst=1,
            clock=self._clock,
        )
        async with (
            cluster,
            Spy(self._state.nats_url, self._heard.append),
            watching.watched(cluster, self._state.namespace, self._clock) as view,
        ):
            await self._prepare_targets()
            await self._refresh(cluster, view)
            view.history.since_last()
            problems = []
            for name in EXPECTED:
                problem = await self._run_workflow(name, view)
                await self._refresh(cluster, view)
                title = f"What {name} changed"
                self._print(report.changes_table(title, view.history.since_last()))
                problems += [problem] if problem else []
            await self._wait_for_silence()
            self._report_messages(view)
            return problems

    async def _prepare_targets(self) -> None:
        self._say(f"applying {_shown('targets')}")
        await self._run("apply", "-f", str(EXAMPLES / "targets.yaml"))
        await self._run(
            "wait", "deployment", "--all", "--for=condition=Available", f"--timeout={_TARGETS_S}s"
        )

    async def _refresh(self, cluster: ApiCluster, view: watching.View) -> None:
        """Read what a watch may tell a moment too late."""
        listing = await cluster.list(DEPLOYMENT, namespace=self._state.namespace)
        for item in listing.items:
            view.history.show(item)

    async def _run_workflow(self, name: str, view: watching.View) -> str:
        self._say(f"\napplying {_shown(name)}")
        await self._run("apply", "-f", str(EXAMPLES / f"{name}.yaml"))

        def ended() -> bool:
            if problem := self._problem():
                raise DemoError(problem)
            workflow = view.workflow(name)
            return workflow is not None and workflow.is_terminal

        try:
            await watching.draw(
                view, name, console=self._console, until=ended, within_s=_WORKFLOW_S
            )
        except TimeoutError:
            return self._verdict(view, name, f"did not end within {_WORKFLOW_S:.0f} s")
        return self._verdict(view, name, "ended")

    def _verdict(self, view: watching.View, name: str, how: str) -> str:
        workflow = view.workflow(name)
        if workflow is None:
            return f"{name} was applied and never seen"
        status = workflow.status
        if status.phase is EXPECTED[name]:
            return ""
        why = ": ".join(part for part in (status.reason, status.message) if part)
        return f"{name} {how} {status.phase}, not {EXPECTED[name]}" + (f" ({why})" if why else "")

    async def _wait_for_silence(self) -> None:
        """Wait for messages that follow the last write; they are sent after what is saved."""
        heard = -1
        while heard < len(self._heard):
            heard = len(self._heard)
            await asyncio.sleep(_SILENCE_S)

    def _report_messages(self, view: watching.View) -> None:
        self._print(report.subjects_table(self._heard))
        good = view.workflow(GOOD)
        if good is not None:
            self._print(report.trace_table(self._heard, uid=good.metadata.uid, name=GOOD))

    async def _run(self, *words: str) -> None:
        try:
            await asyncio.to_thread(self._kubectl.run, *words)
        except DemoError as error:
            hint = "`kubectl describe deployment,pod` there says what is missing"
            raise DemoError(f"{error}; {hint}" if words[0] == "wait" else str(error)) from error

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False)

    def _print(self, table: Table) -> None:
        self._console.print()
        self._console.print(table)


def _shown(name: str) -> str:
    return f"{EXAMPLES.name}/{name}.yaml"
