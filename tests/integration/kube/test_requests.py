"""Single requests to a real API server: what comes back, and how they are bounded."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from shared.api.groups import CONFIG_MAP, DEPLOYMENT
from shared.errors import (
    AlreadyExistsError,
    ConflictError,
    NotFoundError,
    PermanentError,
    TransientError,
)
from shared.kube.client import ApiCluster
from tests.integration.kube.conftest import Connect
from tests.support.kubectl import Kubectl, Object
from tests.support.proxy import Proxy

MANY = 510
AT_ONCE = 40


def _config_map(name: str, **labels: str) -> Object:
    return {"metadata": {"name": name, "labels": labels}, "data": {"key": "value"}}


async def test_a_list_is_complete_beyond_one_page(
    api: ApiCluster, connect: Connect, kubectl: Kubectl
) -> None:
    space, gate = kubectl.namespace, asyncio.Semaphore(AT_ONCE)
    wanted = {f"map-{n}" for n in range(MANY)}

    async def make(name: str) -> None:
        async with gate:
            await api.create(CONFIG_MAP, _config_map(name, made="here"), namespace=space)

    await asyncio.gather(*map(make, wanted))
    requests: Counter[str] = Counter()
    lister = await connect(on_request=lambda verb, *_: requests.update([verb]))

    found = await lister.list(CONFIG_MAP, namespace=space, label_selector="made=here")

    assert {item["metadata"]["name"] for item in found.items} == wanted
    assert len(found.items) == MANY
    assert requests["GET"] == 2


async def test_what_is_not_there_is_none_to_read_and_an_error_to_write(
    api: ApiCluster, kubectl: Kubectl
) -> None:
    space = kubectl.namespace

    assert await api.read(DEPLOYMENT, "ghost", namespace=space) is None
    with pytest.raises(NotFoundError):
        await api.patch(DEPLOYMENT, "ghost", {}, namespace=space)


async def test_a_name_that_is_taken_and_a_version_that_is_old_are_told_apart(
    api: ApiCluster, kubectl: Kubectl
) -> None:
    space = kubectl.namespace
    made = await api.create(CONFIG_MAP, _config_map("one"), namespace=space)
    stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}}
    await api.patch(CONFIG_MAP, "one", {"data": {"key": "new"}}, namespace=space)

    with pytest.raises(AlreadyExistsError):
        await api.create(CONFIG_MAP, _config_map("one"), namespace=space)
    with pytest.raises(ConflictError):
        await api.patch(CONFIG_MAP, "one", stale | {"data": {"key": "old"}}, namespace=space)

    live = await api.read(CONFIG_MAP, "one", namespace=space)
    assert live is not None
    assert live["data"] == {"key": "new"}


async def test_a_dry_run_is_judged_like_the_patch_and_changes_nothing(
    api: ApiCluster, kubectl: Kubectl
) -> None:
    space = kubectl.namespace
    made = await api.create(CONFIG_MAP, _config_map("one"), namespace=space)
    known = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}}

    told = await api.dry_run(CONFIG_MAP, "one", known | {"data": {"key": "new"}}, namespace=space)
    warned = await api.dry_run(CONFIG_MAP, "one", {"dta": {"key": "new"}}, namespace=space)
    with pytest.raises(PermanentError, match="is invalid"):
        await api.dry_run(CONFIG_MAP, "one", {"data": {"not a key": "new"}}, namespace=space)
    with pytest.raises(NotFoundError):
        await api.dry_run(CONFIG_MAP, "ghost", {}, namespace=space)

    assert await api.read(CONFIG_MAP, "one", namespace=space) == made
    assert told.warnings == ()
    assert told.object["data"] == {"key": "new"}
    assert warned.warnings == ('unknown field "dta"',)
    await api.patch(CONFIG_MAP, "one", known | {"data": {"key": "other"}}, namespace=space)
    with pytest.raises(ConflictError):
        await api.dry_run(CONFIG_MAP, "one", known | {"data": {"key": "new"}}, namespace=space)


async def test_a_server_that_does_not_answer_is_given_up(
    connect: Connect, kubectl: Kubectl, proxy: Proxy, proxied: Path
) -> None:
    space = kubectl.namespace
    client = await connect(proxied, request_s=0.5)
    await client.read(CONFIG_MAP, "any", namespace=space)
    proxy.fall_silent()

    with pytest.raises(TransientError):
        await client.read(CONFIG_MAP, "any", namespace=space)

    assert await client.read(CONFIG_MAP, "any", namespace=space) is None


async def test_a_right_is_missing_for_good_only_while_the_server_is_settled(
    connect: Connect, kubectl: Kubectl, proxy: Proxy, proxied: Path
) -> None:
    client: ApiCluster = await connect(proxied, doubt_s=0.5)
    nobody = client.acting_as("nobody")
    with pytest.raises(PermanentError, match="nobody"):
        await nobody.read(CONFIG_MAP, "any", namespace=kubectl.namespace)
    await proxy.keep_out()
    with pytest.raises(TransientError):
        await client.read(CONFIG_MAP, "any", namespace=kubectl.namespace)
    await proxy.let_in()

    with pytest.raises(TransientError, match="may not know all rights yet"):
        await nobody.read(CONFIG_MAP, "any", namespace=kubectl.namespace)
    await asyncio.sleep(0.6)

    with pytest.raises(PermanentError, match="nobody"):
        await nobody.read(CONFIG_MAP, "any", namespace=kubectl.namespace)
