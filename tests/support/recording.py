"""Looks of policies for tests, and a bus that keeps what is published."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from shared.bus.sizing import wire_size
from shared.contracts.recorded import RecordedLook, RecordedVerdict, decode
from shared.ids import Uid

if TYPE_CHECKING:
    from shared.errors import MendflowError

NOISE: Final = "".join(sha256(str(n).encode()).hexdigest() for n in range(600))
"""A text that no compression makes much shorter."""
NOW: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def recorded_look(
    *verdicts: RecordedVerdict,
    stage: str = "safety",
    data: dict[str, Any] | None = None,
    workflow: str = "fix",
    time: datetime = NOW,
    masked: int = 0,
) -> RecordedLook:
    """Return one look at the step grow of a workflow in the namespace shop."""
    return RecordedLook(
        namespace="shop",
        workflow=workflow,
        uid=Uid("u1"),
        step="grow",
        action="scale_deployment",
        stage=stage,
        revision="builtin-1",
        time=time,
        verdicts=verdicts,
        input=data,
        masked=masked,
    )


def verdict(policy: str, *reasons: str, allowed: bool = False, **more: Any) -> RecordedVerdict:
    """Return what a policy said."""
    return RecordedVerdict(policy=policy, allowed=allowed, reasons=reasons, **more)


class KeepingBus:
    """A bus that keeps what it is given, slowly or not at all if a test says so."""

    def __init__(self) -> None:
        self.connected = True
        self.error: MendflowError | None = None
        self.may_publish = asyncio.Event()
        self.may_publish.set()
        self.sizes: list[int] = []
        self.subjects: list[str] = []
        self.bodies: list[bytes] = []
        self.came = asyncio.Event()
        self.refused = asyncio.Event()

    @property
    def looks(self) -> list[RecordedLook]:
        """Return what was kept."""
        return [decode(body) for body in self.bodies]

    async def publish(
        self, subject: str, data: bytes, *, headers: Mapping[str, str], message_id: str = ""
    ) -> None:
        del message_id
        await self.may_publish.wait()
        if self.error is not None:
            self.refused.set()
            raise self.error
        self.sizes.append(wire_size(data, headers))
        self.subjects.append(subject)
        self.bodies.append(data)
        self.came.set()

    async def schedule(self, *_: object, **__: object) -> None:
        raise NotImplementedError

    async def consume(self, *_: object) -> None:
        raise NotImplementedError

    async def kept(self, count: int) -> list[RecordedLook]:
        """Return what was kept, once there is so much of it."""
        async with asyncio.timeout(30):
            while len(self.bodies) < count:
                self.came.clear()
                await self.came.wait()
        return self.looks
