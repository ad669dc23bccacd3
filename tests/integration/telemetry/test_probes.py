"""The probe server, asked over the loopback as the kubelet and Prometheus do."""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest

from shared.telemetry.metrics import Metrics
from shared.telemetry.probes import ProbeServer, Readiness

HOST = "127.0.0.1"


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def server(readiness: Readiness, metrics: Metrics) -> AsyncIterator[ProbeServer]:
    server = ProbeServer(
        HOST,
        0,
        paths={
            "/healthz": lambda: (HTTPStatus.OK, b"ok\n"),
            "/readyz": readiness.answer,
            "/metrics": lambda: (HTTPStatus.OK, metrics.render()),
        },
    )
    await server.start()
    yield server
    await server.stop()


async def ask(port: int, request: bytes) -> tuple[int, str]:
    """Send bytes; return the status and the body."""
    async with asyncio.timeout(30):
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
    assert await get(server.port, "/healthz") == (200, "ok\n")


async def test_readiness_follows_the_checks(server: ProbeServer, readiness: Readiness) -> None:
    before = await get(server.port, "/readyz")
    readiness.set("crds", "CRD workflowexecutions is missing")
    readiness.set("bus", "no connection")
    during = await get(server.port, "/readyz?verbose")
    readiness.set("crds", "")
    readiness.set("bus", "")
    after = await get(server.port, "/readyz")

    assert before == (200, "ok\n")
    assert during == (503, "bus: no connection\ncrds: CRD workflowexecutions is missing\n")
    assert after == (200, "ok\n")


async def test_a_note_is_shown_and_does_not_make_a_process_unready(
    server: ProbeServer, readiness: Readiness
) -> None:
    text = "degraded: not connected"
    readiness.note("bus", lambda: text)

    assert await get(server.port, "/readyz") == (200, "ok\nbus: degraded: not connected\n")
    readiness.set("crds", "missing")
    assert (await get(server.port, "/readyz"))[0] == 503
    text = ""
    readiness.set("crds", "")
    assert await get(server.port, "/readyz") == (200, "ok\n")


async def test_metrics_are_scraped(server: ProbeServer, metrics: Metrics) -> None:
    metrics.token_granted()

    status, body = await get(server.port, "/metrics")
    assert status == 200
    assert 'mendflow_tokens_total{move="granted"} 1.0' in body.splitlines()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /other HTTP/1.1\r\n\r\n", 404),
        (b"POST /healthz HTTP/1.1\r\n\r\n", 405),
        (b"good morning\r\n\r\n", 405),
    ],
)
async def test_other_requests_are_refused(server: ProbeServer, sent: bytes, status: int) -> None:
    assert (await ask(server.port, sent))[0] == status


async def test_a_head_request_has_no_body(server: ProbeServer) -> None:
    assert await ask(server.port, b"HEAD /readyz HTTP/1.1\r\n\r\n") == (200, "")


async def test_a_peer_that_hangs_up_harms_nobody(server: ProbeServer) -> None:
    _, writer = await asyncio.open_connection(HOST, server.port)
    writer.write(b"GET /hea")
    writer.close()
    await writer.wait_closed()

    assert (await get(server.port, "/healthz"))[0] == 200


async def test_a_taken_port_is_named_with_what_to_set(server: ProbeServer) -> None:
    second = ProbeServer(HOST, server.port, paths={})

    with pytest.raises(RuntimeError, match="MENDFLOW_METRICS_PORT") as caught:
        await second.start()
    assert str(server.port) in str(caught.value)
