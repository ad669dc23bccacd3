"""Leases on a real API server: one leader at a time, and a next one when it is gone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from shared.api.groups import LEASE
from shared.clock import SystemClock
from shared.kube.client import ApiCluster
from shared.kube.lease import COMPONENT_LABEL, Election, LeaseHolder
from shared.kube.port import Cluster, Object
from tests.integration.kube.conftest import Connect
from tests.support.kubectl import Kubectl
from tests.support.proxy import Proxy

DURATION_S = 2
FOR_LONG_S = 3600
RENEW_S = 0.1
STEP_S = 0.01


class SlowAnswers(ApiCluster):
    """What it writes arrives at once; the answers take their time."""

    async def patch(self, *arguments: Any, **more: Any) -> Object:
        answer = await super().patch(*arguments, **more)
        await asyncio.sleep(DURATION_S * 0.75)
        return answer


def _candidate(
    cluster: Cluster, kubectl: Kubectl, identity: str, *, duration_s: int = DURATION_S
) -> Election:
    return Election(
        cluster,
        namespace=kubectl.namespace,
        name="leader",
        identity=identity,
        clock=SystemClock(),
        renew_s=RENEW_S,
        duration_s=duration_s,
    )


@contextlib.asynccontextmanager
async def running(candidate: Election | LeaseHolder) -> AsyncIterator[None]:
    """Run a candidate, and stop it as a service stops it."""
    task = asyncio.create_task(candidate.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _until(holds: Callable[[], bool], *candidates: Election) -> None:
    """Wait, and look all the time whether there are two leaders."""
    async with asyncio.timeout(60):
        while not holds():
            assert sum(each.is_leader for each in candidates) <= 1
            await asyncio.sleep(STEP_S)


async def _for_a_while(*candidates: Election) -> None:
    over = asyncio.get_running_loop().time() + DURATION_S * 1.5
    await _until(lambda: asyncio.get_running_loop().time() > over, *candidates)


async def _renewal(api: ApiCluster, kubectl: Kubectl) -> None:
    """Wait until the lease is renewed."""
    await _changed(api, kubectl, "leader", lambda _: True)


async def _changed(
    api: ApiCluster, kubectl: Kubectl, name: str, wanted: Callable[[Object], bool]
) -> None:
    space = kubectl.namespace
    version = (await api.list(LEASE, namespace=space)).resource_version
    changes = api.watch(LEASE, namespace=space, name=name, resource_version=version)
    async with asyncio.timeout(60):
        async for change in changes:
            if change.type != "BOOKMARK" and wanted(change.object):
                return


async def test_one_of_two_leads_and_the_other_follows_when_it_is_cut_off(
    api: ApiCluster, connect: Connect, kubectl: Kubectl, proxy: Proxy, proxied: Path
) -> None:
    first = _candidate(await connect(proxied), kubectl, "first")
    second = _candidate(api, kubectl, "second")

    async with running(first):
        await _until(lambda: first.is_leader, first, second)
        async with running(second):
            await _for_a_while(first, second)
            await proxy.keep_out()
            await _until(lambda: second.is_leader, first, second)
            assert not first.is_leader
            await proxy.let_in()
            await _for_a_while(first, second)


async def test_a_leader_that_hears_late_of_its_renewal_gives_up_in_time(
    connect: Connect, api: ApiCluster, kubectl: Kubectl, proxy: Proxy, proxied: Path
) -> None:
    slow = _candidate(await connect(proxied, form=SlowAnswers), kubectl, "slow")
    second = _candidate(api, kubectl, "second")

    async with running(slow):
        await _until(lambda: slow.is_leader, slow, second)
        async with running(second):
            await _renewal(api, kubectl)
            await proxy.keep_out()
            await _until(lambda: second.is_leader, slow, second)
            await _until(lambda: not slow.is_leader, slow, second)


async def test_a_leader_that_stops_hands_over_at_once(api: ApiCluster, kubectl: Kubectl) -> None:
    first, second = (
        _candidate(api, kubectl, name, duration_s=FOR_LONG_S) for name in ("first", "second")
    )
    async with running(first):
        await _until(lambda: first.is_leader, first)

    assert not first.is_leader
    assert kubectl.get("lease", "leader")["spec"].get("holderIdentity", "") == ""
    async with running(second):
        await _until(second.elected.is_set, first, second)


async def test_a_follower_that_stops_leaves_the_lease_alone(
    api: ApiCluster, kubectl: Kubectl
) -> None:
    first, second = (
        _candidate(api, kubectl, name, duration_s=FOR_LONG_S) for name in ("first", "second")
    )
    async with running(first):
        await _until(lambda: first.is_leader, first)
        async with running(second):
            await asyncio.sleep(RENEW_S * 3)
        assert kubectl.get("lease", "leader")["spec"]["holderIdentity"] == "first"


async def test_a_holder_is_seen_while_it_runs(api: ApiCluster, kubectl: Kubectl) -> None:
    holder = LeaseHolder(
        api,
        namespace=kubectl.namespace,
        name="holder",
        identity="one",
        component="tests",
        clock=SystemClock(),
        renew_s=RENEW_S,
    )

    async def held_by() -> list[str]:
        found = await api.list(
            LEASE, namespace=kubectl.namespace, label_selector=f"{COMPONENT_LABEL}=tests"
        )
        return [item["spec"].get("holderIdentity", "") for item in found.items]

    async with running(holder):
        await _changed(
            api, kubectl, "holder", lambda lease: lease["spec"]["holderIdentity"] == "one"
        )
        assert await held_by() == ["one"]

    assert await held_by() == [""]
