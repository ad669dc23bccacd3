"""List and watch on a real API server: every change, in order, whatever the connection does."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from shared.api.groups import WORKFLOW_EXECUTION
from shared.clock import SystemClock
from shared.kube.client import ApiCluster
from shared.kube.errors import WatchExpiredError
from shared.kube.watch import ListWatch
from tests.integration.kube.conftest import Connect
from tests.support.following import NOTE, Follower
from tests.support.kubectl import Kubectl
from tests.support.proxy import Proxy
from tests.support.workflows import notify, workflow

CHANGES = 40
TRIES = 3


def _watch(cluster: ApiCluster, namespace: str, **more: Any) -> ListWatch:
    return ListWatch(cluster, WORKFLOW_EXECUTION, namespace=namespace, clock=SystemClock(), **more)


async def _make(api: ApiCluster, namespace: str, *names: str) -> None:
    for name in names:
        await api.create(WORKFLOW_EXECUTION, workflow(name, [notify("a")]), namespace=namespace)


async def _note(api: ApiCluster, namespace: str, name: str, note: object) -> None:
    body = {"metadata": {"annotations": {NOTE: str(note)}}}
    await api.patch(WORKFLOW_EXECUTION, name, body, namespace=namespace)


async def test_what_is_there_comes_first_then_every_change_in_order(
    api: ApiCluster, kubectl: Kubectl
) -> None:
    space = kubectl.namespace
    await _make(api, space, "a", "b")

    async with Follower(_watch(api, space)) as follower:
        await follower.until(lambda world: world == {"a": "", "b": ""})
        for n in range(CHANGES):
            await _note(api, space, "a", n)
        await _make(api, space, "c")
        kubectl.ok("delete", "wfe", "b")
        await follower.until(lambda world: world == {"a": str(CHANGES - 1), "c": ""})

    assert follower.notes("a") == ["", *map(str, range(CHANGES))]
    told = [(change.type, change.object["metadata"]["name"]) for change in follower.told]
    assert sorted(told[:2]) == [("ADDED", "a"), ("ADDED", "b")]
    assert told[2:] == [("MODIFIED", "a")] * CHANGES + [("ADDED", "c"), ("DELETED", "b")]


async def test_cut_connections_lose_nothing_and_repeat_nothing(
    api: ApiCluster, connect: Connect, kubectl: Kubectl, proxy: Proxy, proxied: Path
) -> None:
    space = kubectl.namespace
    await _make(api, space, "a")
    lost = asyncio.Event()
    watch = _watch(await connect(proxied), space, on_reconnect=lost.set)

    async with Follower(watch) as follower:
        await follower.until(lambda world: world == {"a": ""})
        for n in range(CHANGES):
            await _note(api, space, "a", n)
            if n % 10 == 5:
                await follower.until({"a": str(n)}.__eq__)
                lost.clear()
                proxy.cut()
            elif n % 10 == 8:
                await follower.meanwhile(lost)
        await follower.until(lambda world: world == {"a": str(CHANGES - 1)})

    assert follower.notes("a") == ["", *map(str, range(CHANGES))]


async def test_a_server_that_lets_nobody_in_is_waited_out(
    api: ApiCluster, connect: Connect, kubectl: Kubectl, proxy: Proxy, proxied: Path
) -> None:
    space = kubectl.namespace
    await _make(api, space, "a", "b")
    lost = asyncio.Event()
    watch = _watch(await connect(proxied), space, on_reconnect=lost.set)

    async with Follower(watch) as follower:
        await follower.until(lambda world: world == {"a": "", "b": ""})
        await proxy.keep_out()
        await _note(api, space, "a", "changed")
        kubectl.ok("delete", "wfe", "b")
        for _ in range(TRIES):
            lost.clear()
            await follower.meanwhile(lost)
        await proxy.let_in()
        await follower.until(lambda world: world == {"a": "changed"})


async def test_a_connection_that_falls_silent_is_given_up(
    api: ApiCluster, connect: Connect, kubectl: Kubectl, proxy: Proxy, proxied: Path
) -> None:
    space = kubectl.namespace
    await _make(api, space, "a")
    half_dead = await connect(proxied, request_s=1.0, watch_silence_s=1.0)

    async with Follower(_watch(half_dead, space)) as follower:
        await follower.until(lambda world: world == {"a": ""})
        proxy.fall_silent()
        await _note(api, space, "a", "changed")
        await follower.until(lambda world: world == {"a": "changed"})


async def test_a_watch_from_a_version_long_gone_says_so(api: ApiCluster, kubectl: Kubectl) -> None:
    await _make(api, kubectl.namespace, "a")

    with pytest.raises(WatchExpiredError):
        async for _ in api.watch(
            WORKFLOW_EXECUTION, namespace=kubectl.namespace, resource_version="1"
        ):
            pass
