"""What a NATS server holds, read without disturbing any consumer."""

import asyncio
import json
from typing import Any

import msgspec
from nats.aio.client import Client

from shared.contracts.consumers import Consumer


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """One message as a stream holds it."""

    sequence: int
    subject: str
    headers: dict[str, str]
    data: bytes


def messages(url: str, stream: str) -> list[Stored]:
    """Return all messages of a stream, oldest first."""
    return asyncio.run(_messages(url, stream))


def unanswered(url: str, consumers: list[Consumer]) -> dict[str, int]:
    """Return how many messages each of these consumers has still to answer, when any."""
    return asyncio.run(_unanswered(url, consumers))


async def _messages(url: str, stream: str) -> list[Stored]:
    client = Client()
    await client.connect(url)
    try:
        context = client.jetstream()
        state = (await context.stream_info(stream)).state
        held = range(state.first_seq, state.last_seq + 1) if state.messages else ()
        found = [await context.get_msg(stream, sequence) for sequence in held]
    finally:
        await client.close()
    return [
        Stored(
            sequence=message.seq or 0,
            subject=message.subject or "",
            headers=message.headers or {},
            data=message.data or b"",
        )
        for message in found
    ]


async def _unanswered(url: str, consumers: list[Consumer]) -> dict[str, int]:
    client = Client()
    await client.connect(url)
    left: dict[str, int] = {}
    try:
        for consumer in consumers:
            subject = f"$JS.API.CONSUMER.INFO.{consumer.stream}.{consumer.name}"
            info: dict[str, Any] = json.loads((await client.request(subject, timeout=10)).data)
            count = info["num_ack_pending"] + info["num_pending"]
            left |= {consumer.name: count} if count else {}
    finally:
        await client.close()
    return left
