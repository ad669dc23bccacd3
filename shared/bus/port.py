"""The bus port: publish a message, or have a durable consumer's messages delivered.

At most six methods, so that another client library could take its place. A message only
says where to look; losing any of them costs time, never an outcome.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Protocol

import msgspec

from shared.contracts.consumers import Consumer
from shared.outcome import Outcome


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One message as it arrived. `subject` is the stored one."""

    subject: str
    data: bytes
    headers: Mapping[str, str]
    deliveries: int
    """How often it was delivered by now, 1 at first."""
    stream: str
    sequence: int


LaneOf = Callable[[Delivery], str]
"""Which lane a delivery belongs to; one lane handles one batch at a time."""

Handler = Callable[[str, list[Delivery]], Awaitable[Outcome]]
"""Handle all waiting deliveries of one lane at once; the outcome answers every one of them."""


class Bus(Protocol):
    """A connection that comes and goes; nobody waits for it to come back."""

    @property
    def connected(self) -> bool:
        """Return whether publishing has a chance right now."""
        ...

    async def publish(
        self, subject: str, data: bytes, *, headers: Mapping[str, str], message_id: str = ""
    ) -> None:
        """Publish and wait for the stream's answer; "already queued" counts as success.

        Raises TransientError when it cannot be confirmed in time: leave it to resync.
        """
        ...

    async def schedule(self, subject: str, data: bytes, *, at: datetime) -> None:
        """Arm or replace the timer named by a `wf.tmr.set.` subject. Raises TransientError."""
        ...

    async def consume(self, consumer: Consumer, lane_of: LaneOf, handler: Handler) -> None:
        """Pull from a durable consumer and run `handler` lane by lane until cancelled."""
        ...
