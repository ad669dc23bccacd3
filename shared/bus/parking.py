"""Parking: keep a message for a person, then take it out of delivery.

In this order, so that a crash between the two parks it twice and never loses it. A parked
message always fits: when its own headers and ours do not leave room, the body is cut, since
a message that cannot be parked would come back for ever.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final, Protocol

import nats.errors
import structlog
from nats.aio.msg import Msg

from shared.bus.delivering import to_delivery
from shared.bus.port import Delivery
from shared.bus.sizing import wire_size
from shared.clock import Clock
from shared.contracts import subjects
from shared.contracts.subjects import Service
from shared.errors import PermanentError, TransientError
from shared.outcome import Park

MAX_WIRE: Final = 8192
_MAX_ERROR: Final = 256
_ID_HEADER: Final = "Nats-Msg-Id"
_MARGIN: Final = 160
"""Room for the message id and the note that the body was cut."""
_NOT_IN_TOKEN: Final = re.compile(r"[^A-Za-z0-9_-]+")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Publish(Protocol):
    """Publishes and waits for the stream's answer."""

    def __call__(
        self, subject: str, data: bytes, *, headers: Mapping[str, str], message_id: str = ""
    ) -> Awaitable[None]:
        """Publish, or raise TransientError."""
        ...


class Parker:
    """Parks the messages of one service."""

    def __init__(
        self,
        publish: Publish,
        *,
        service: Service,
        clock: Clock,
        on_parked: Callable[[str], None],
    ) -> None:
        self._publish = publish
        self._service = service
        self._clock = clock
        self._on_parked = on_parked
        self._log = structlog.get_logger(service=str(service))

    async def park(self, msg: Msg, park: Park) -> None:
        """Park a message; when the bus is away it comes again and is parked then."""
        delivery = to_delivery(msg)
        reason = token(park.reason)
        consumer = msg.metadata.consumer
        headers = parked_headers(delivery, park, consumer=consumer, now=self._clock.now())
        data, headers = fit(delivery.data, headers)
        subject = subjects.parked(self._service, reason, subjects.uid_of(delivery.subject))
        try:
            await self._publish(
                subject, data, headers=headers, message_id=parked_id(delivery, consumer)
            )
            await msg.respond(f"+TERM {reason}".encode())
        except (TransientError, PermanentError, nats.errors.Error, OSError) as error:
            self._log.warning("message not parked", subject=delivery.subject, error=str(error))
            return
        self._on_parked(reason)
        self._log.warning("message parked", subject=delivery.subject, reason=reason)


def parked_headers(
    delivery: Delivery, park: Park, *, consumer: str, now: datetime
) -> dict[str, str]:
    """Return the message's own headers and ours.

    The server's are left out: an old message id would drop the parked copy as a repeat, an
    old schedule or expectation would be carried out again.
    """
    kept = {
        key: value
        for key, value in delivery.headers.items()
        if _HEADER_NAME.fullmatch(key)
        and value.isprintable()
        and not key.lower().startswith("nats-")
    }
    return kept | {
        "dlq-stream": delivery.stream,
        "dlq-seq": str(delivery.sequence),
        "dlq-consumer": consumer,
        "dlq-deliveries": str(delivery.deliveries),
        "dlq-error": _one_line(f"{park.reason}: {park.message}"),
        "dlq-ts": now.isoformat(),
        "dlq-subject": delivery.subject,
    }


def fit(data: bytes, headers: Mapping[str, str]) -> tuple[bytes, dict[str, str]]:
    """Return a body and headers that the server takes, cutting only what is too much."""
    kept = dict(headers)
    room = MAX_WIRE - _MARGIN
    if wire_size(b"", kept) > room:
        kept = {key: value for key, value in kept.items() if key.startswith("dlq-")}
        kept["dlq-headers"] = "dropped"
    if wire_size(data, kept) <= room:
        return data, kept
    kept["dlq-truncated"] = str(len(data))
    return data[: max(0, room - wire_size(b"", kept))], kept


def parked_id(delivery: Delivery, consumer: str) -> str:
    """Return an id by which the server drops a second parking for the same consumer.

    The sequence alone does not do: a stream that was made again hands it out again. Without
    the consumer, what two services could not read would be kept, and told, for one of them.
    """
    body = hashlib.sha256(delivery.data).hexdigest()[:16]
    return f"dlq:{delivery.stream}:{delivery.sequence}:{consumer}:{body}"


def token(reason: str) -> str:
    """Return a reason as one token of a subject."""
    return _NOT_IN_TOKEN.sub("-", reason)[:64] or "Unknown"


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)[:_MAX_ERROR].strip()
