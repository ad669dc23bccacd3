"""Messages that remember how they were answered."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from nats.aio.client import Client
from nats.aio.msg import Msg


class FakeMsg(Msg):
    """A JetStream message without a connection."""

    def __init__(
        self,
        data: bytes = b"",
        *,
        sequence: int = 1,
        deliveries: int = 1,
        subject: str = "wf.p.3.u1.exec.finished",
        headers: dict[str, str] | None = None,
    ) -> None:
        reply = f"$JS.ACK.WFEVT.orch-3.{deliveries}.{sequence}.{sequence}.0.0"
        super().__init__(_client=Client(), subject=subject, reply=reply, data=data, headers=headers)
        self.answers: list[str] = []

    async def ack(self) -> None:
        self.answers.append("ack")

    async def nak(self, delay: float | None = None) -> None:
        self.answers.append(f"nak {delay}")

    async def in_progress(self) -> None:
        self.answers.append("progress")

    async def respond(self, data: bytes) -> None:
        self.answers.append(data.decode())


class StillClock:
    """Stands still unless it is moved."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 2, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.at


async def until(met: Callable[[], bool]) -> None:
    """Wait until something holds; fail when it never does."""
    async with asyncio.timeout(10):
        while not met():  # noqa: ASYNC110 - a test looks from outside
            await asyncio.sleep(0)
