"""The probe server, asked over the loopback as the kubelet and Prometheus do."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from shared.settings import ProbeSettings
from shared.telemetry.metrics import Metrics
from shared.telemetry.probes import PortTakenError, ProbeServer
from shared.telemetry.readiness import Readiness

HOST = "127.0.0.1"
ANY = ProbeSettings(host=HOST, health_port=0, metrics_port=0)


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def server(readiness: Readiness, metrics: Metrics) -> AsyncIterator[ProbeServer]:
    async with ProbeServer(ANY, metrics=metrics, readiness=readiness) as running:
        yield running


async def ask(port: int, request: bytes) -> tuple[int, str]:
    """Send bytes; return the status and the body."""
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(request)
        await writer.drain()
        answer = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split(" ")[1]), body


async def get(port: int, path: str) -> tuple[int, str]:
    return await ask(port, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())


async def test_a_living_process_says_so(server: ProbeServer) -> None:
    assert await get(server.health_port, "/healthz") == (200, "ok\n")


async def test_readiness_follows_the_checks(server: ProbeServer, readiness: Readiness) -> None:
    before = await get(server.health_port, "/readyz")
    readiness.set("crds", ok=False, reason="CRD workflowexecutions is missing")
    readiness.set("bus", ok=False, reason="no connection to the bus")
    during = await get(server.health_port, "/readyz?verbose")
    readiness.set("crds", ok=True)
    readiness.set("bus", ok=True)

    assert before == (200, "ok\n")
    assert during == (503, "no connection to the bus\nCRD workflowexecutions is missing\n")
    assert (await get(server.health_port, "/readyz"))[0] == 200


async def test_metrics_are_scraped(server: ProbeServer, metrics: Metrics) -> None:
    metrics.token_granted()

    status, body = await get(server.metrics_port, "/metrics")
    assert status == 200
    assert "mendflow_tokens_granted_total 1.0" in body.splitlines()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /other HTTP/1.1\r\n\r\n", 404),
        (b"GET /metrics HTTP/1.1\r\n\r\n", 404),
        (b"POST /healthz HTTP/1.1\r\n\r\n", 405),
        (b"good morning\r\n\r\n", 400),
    ],
)
async def test_other_requests_are_refused(
    server: ProbeServer, request_: bytes, status: int
) -> None:
    assert (await ask(server.health_port, request_))[0] == status


async def test_a_head_request_has_no_body(server: ProbeServer) -> None:
    assert await ask(server.health_port, b"HEAD /readyz HTTP/1.1\r\n\r\n") == (200, "")


async def test_a_peer_that_hangs_up_harms_nobody(server: ProbeServer) -> None:
    _, writer = await asyncio.open_connection(HOST, server.health_port)
    writer.write(b"GET /hea")
    writer.close()
    await writer.wait_closed()

    assert (await get(server.health_port, "/healthz"))[0] == 200


async def test_a_taken_port_is_named(
    server: ProbeServer, metrics: Metrics, readiness: Readiness
) -> None:
    taken = ProbeSettings(host=HOST, health_port=0, metrics_port=server.metrics_port)

    with pytest.raises(PortTakenError, match="MENDFLOW_PROBES_METRICS_PORT") as caught:
        async with ProbeServer(taken, metrics=metrics, readiness=readiness):
            pass
    assert str(server.metrics_port) in str(caught.value)


async def test_one_port_can_serve_all(
    server: ProbeServer, metrics: Metrics, readiness: Readiness
) -> None:
    port = server.health_port
    await server.__aexit__(None, None, None)
    both = ProbeSettings(host=HOST, health_port=port, metrics_port=port)

    async with ProbeServer(both, metrics=metrics, readiness=readiness) as single:
        assert single.health_port == single.metrics_port == port
        assert (await get(port, "/healthz"))[0] == 200
        assert (await get(port, "/metrics"))[0] == 200
