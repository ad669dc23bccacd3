"""Nodes of a test's own, steps carried out in this process, and clients of the API server."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from shared.kube.client import ApiCluster
from tests.integration.kube.conftest import Connect, api, connect, kubectl
from tests.support.acts import Acts
from tests.support.homes import Home
from tests.support.kubectl import Kubectl

__all__ = ["api", "connect", "homes", "kubectl"]

_NUMBERS = itertools.count(40)
"""Above those of the session's own nodes; kwok takes a while to accept a name again."""

Homes = Callable[..., Awaitable[list[Home]]]


@pytest.fixture
async def acts(connect: Connect, kubectl: Kubectl) -> Acts:
    """Steps of one workflow in the namespace of this test."""
    ours = await connect(manager="mendflow-executor")
    return await Acts.begin(ours, await connect(manager="somebody"), kubectl.namespace)


@pytest.fixture
async def homes(api: ApiCluster, kubectl: Kubectl) -> AsyncIterator[Homes]:
    """Return a function that makes nodes which only this test's pods may go to."""
    made: list[Home] = []

    async def make(count: int = 1) -> list[Home]:
        numbers = itertools.islice(_NUMBERS, count)
        made.extend([await Home.made(api, each, namespace=kubectl.namespace) for each in numbers])
        return made

    yield make
    for home in made:
        await home.remove()
