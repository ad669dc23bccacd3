"""Timers on a real NATS server: a service is woken when it asked for it, and not before."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from shared.bus.embedded import EmbeddedServer
from shared.contracts import bell, subjects
from shared.contracts.bell import Bell
from shared.contracts.consumers import TIMERS
from shared.contracts.subjects import Service
from shared.outcome import Ack, Outcome
from shared.settings import Settings
from shared.worker.context import Context
from shared.worker.keys import RESYNC, Hint, WorkflowKey
from shared.worker.reconciler import WorkflowReconciler
from shared.worker.running import Process
from tests.integration.bus.world import until
from tests.support.kubectl import Kubectl
from tests.support.namespaces import empty_namespace
from tests.support.workflows import notify, workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

WITHIN_S: Final = 60
SOON: Final = timedelta(seconds=0.5)
KEY: Final = "test"


class Look(NamedTuple):
    """When the service looked at its workflow, and whether a walk made it."""

    at: datetime
    by_walk: bool


class Sleeper:
    """A service that only asks to be woken."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.due: datetime | None = None
        self.looks = asyncio.Queue[Look]()
        self._reconciler = WorkflowReconciler(
            context,
            self.reconcile,
            consumers=[TIMERS[context.service]],
            is_finished=lambda _: False,
        )

    async def run(self) -> None:
        await self._reconciler.run()

    def resync_now(self) -> None:
        self._reconciler.resync_now()

    async def reconcile(self, key: WorkflowKey, hints: Sequence[Hint]) -> Outcome:
        self.key = key
        if self.due is not None:
            await self.wake(self.due)
        by_walk = any(hint.fact == RESYNC for hint in hints)
        self.looks.put_nowait(Look(self.context.clock.now(), by_walk))
        return Ack()

    async def wake(self, at: datetime) -> None:
        """Ask to be woken at a time, as a service does on each look."""
        view = await self.context.workflows.fetch(self.key.namespace, self.key.name)
        assert view is not None
        await self.context.publisher.wake(view.workflow, at=at, key=KEY)

    async def woken(self) -> datetime:
        """Return when the service was next woken by a timer."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                look = await self.looks.get()
                if not look.by_walk:
                    return look.at

    def was_woken_again(self) -> bool:
        """Return whether a timer has woken it since."""
        left = [self.looks.get_nowait() for _ in range(self.looks.qsize())]
        return not all(look.by_walk for look in left)

    def soon(self) -> datetime:
        return self.context.clock.now() + SOON


@pytest.fixture
def server(tmp_path: Path) -> EmbeddedServer:
    """A server that may be killed; a test starts it."""
    return EmbeddedServer(tmp_path / "nats")


@pytest.fixture
async def sleeper(
    cluster: "LocalCluster", server: EmbeddedServer, request: pytest.FixtureRequest
) -> AsyncIterator[Sleeper]:
    """A service that has looked at its one workflow."""
    kubectl = empty_namespace(cluster, request.node.name.removeprefix("test_"))
    kubectl.apply(workflow("w", [notify("a")]))
    with server:
        async with _running(kubectl, cluster.kubeconfig, server.url) as running:
            yield running


async def test_a_timer_wakes_at_its_time_and_not_before(sleeper: Sleeper) -> None:
    at = sleeper.soon()

    await sleeper.wake(at)

    assert await sleeper.woken() >= at
    assert not sleeper.was_woken_again()


async def test_a_time_in_the_past_is_due_now(sleeper: Sleeper) -> None:
    await sleeper.wake(sleeper.context.clock.now() - timedelta(hours=1))

    await sleeper.woken()


async def test_another_time_replaces_the_earlier_one_and_may_come_back(sleeper: Sleeper) -> None:
    later = sleeper.soon() + 10 * SOON
    await sleeper.wake(later)
    sooner = sleeper.soon()
    await sleeper.wake(sooner)
    assert await sleeper.woken() >= sooner

    await sleeper.wake(later)

    assert await sleeper.woken() >= later
    assert not sleeper.was_woken_again()


async def test_a_timer_of_a_server_whose_clock_is_ahead_is_waited_for(sleeper: Sleeper) -> None:
    context, key, due = sleeper.context, sleeper.key, sleeper.soon()
    rung = Bell(namespace=key.namespace, workflow=key.name, uid=key.uid, due=due)
    subject = subjects.timer_target(subjects.timer(context.service, key.uid, KEY))

    await context.bus.publish(subject, bell.encode(rung), headers={})

    assert await sleeper.woken() >= due


async def test_a_timer_that_was_lost_with_its_store_is_armed_again(
    sleeper: Sleeper, server: EmbeddedServer
) -> None:
    sleeper.due = sleeper.soon() + 6 * SOON
    await sleeper.wake(sleeper.due)
    server.kill()
    server.wipe()
    server.start()

    assert await sleeper.woken() >= sleeper.due


@asynccontextmanager
async def _running(kubectl: Kubectl, kubeconfig: Path, nats_url: str) -> AsyncIterator[Sleeper]:
    process = Process(
        Settings(
            kubeconfig=str(kubeconfig),
            nats_url=nats_url,
            namespace=kubectl.namespace,
            system_namespace=kubectl.namespace,
            resync_s=3600,
        )
    )
    made: list[Sleeper] = []

    def build(context: Context) -> Sleeper:
        made.append(Sleeper(context))
        return made[0]

    running = asyncio.create_task(process._run_service(Service.MONITOR, build))
    async with asyncio.timeout(WITHIN_S):
        await until(lambda: bool(made) and made[0].context.bus.connected)
        await made[0].looks.get()
    yield made[0]
    process._stopping.set()
    async with asyncio.timeout(WITHIN_S):
        await running
