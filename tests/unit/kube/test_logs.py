"""The end of a log, of which a kubelet sends the first bytes of the last lines."""

from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from kubernetes.aio.client import Configuration
from multidict import CIMultiDict

from shared.kube.client import ApiCluster
from shared.kube.ratelimit import RateLimiter
from tests.support.virtual_time import run, virtual_clock

LONGEST_LINE = 16 * 1024
"""What a container runtime takes for one line at most."""


class Kubelet(ApiCluster):
    """Answers for logs as a kubelet does."""

    def __init__(self, lines: list[str]) -> None:
        limiter = RateLimiter(qps=0, burst=1, clock=virtual_clock())
        super().__init__(Configuration(), field_manager="tests", limiter=limiter)
        self.requests = 0
        self._lines = lines

    async def _open(
        self, method: str, path: str, query: dict[str, str], **_: Any
    ) -> aiohttp.ClientResponse:
        del method, path
        self.requests += 1
        lines = self._lines[-int(query["tailLines"]) :]
        body = "".join(f"{line}\n" for line in lines).encode()[: int(query["limitBytes"])]

        async def read() -> bytes:
            return body

        answer = SimpleNamespace(status=200, headers=CIMultiDict[str](), read=read)
        return cast("aiohttp.ClientResponse", answer)


@pytest.mark.parametrize(
    ("lines", "requests"),
    [
        pytest.param(["a", "b", "the end"], 1, id="short"),
        pytest.param([*("x" * (LONGEST_LINE - 1) for _ in range(300)), "the end"], 2, id="long"),
    ],
)
def test_the_end_of_a_log_is_its_end(lines: list[str], requests: int) -> None:
    async def scenario() -> None:
        kubelet = Kubelet(lines)

        text = await kubelet.logs("p", namespace="n", container="c", limit_bytes=4096)

        assert text.endswith("the end\n")
        assert len(text) <= 4096
        assert kubelet.requests == requests

    run(scenario())
