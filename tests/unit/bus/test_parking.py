"""What a parked message keeps, and that it always fits."""

from datetime import UTC, datetime

import pytest

from shared.bus.parking import MAX_WIRE, fit, parked_headers, parked_id, token
from shared.bus.port import Delivery
from shared.bus.sizing import wire_size
from shared.bus.streams import merged
from shared.outcome import Park

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def delivery(data: bytes = b"x", headers: dict[str, str] | None = None) -> Delivery:
    return Delivery(
        subject="wf.p.3.u1.exec.finished",
        data=data,
        headers=headers or {},
        deliveries=2,
        stream="WFEVT",
        sequence=7,
    )


def test_own_headers_stay_and_the_servers_go() -> None:
    given = delivery(
        headers={"ce-id": "1", "wf-uid": "u1", "Nats-Msg-Id": "1", "nats-ttl": "1s", "b\rd": "x"}
    )
    headers = parked_headers(given, Park(reason="Odd", message="a\r\nb"), consumer="mon", now=NOW)
    assert headers == {
        "ce-id": "1",
        "wf-uid": "u1",
        "dlq-stream": "WFEVT",
        "dlq-seq": "7",
        "dlq-consumer": "mon",
        "dlq-deliveries": "2",
        "dlq-error": "Odd: a  b",
        "dlq-ts": "2026-01-02T00:00:00+00:00",
        "dlq-subject": "wf.p.3.u1.exec.finished",
    }


@pytest.mark.parametrize("size", [0, 7000, MAX_WIRE])
@pytest.mark.parametrize("header", [0, 4000, MAX_WIRE])
def test_a_parked_message_always_fits(size: int, header: int) -> None:
    headers = parked_headers(
        delivery(headers={"wf-long": "x" * header}), Park(reason="Odd"), consumer="mon", now=NOW
    )
    data, kept = fit(b"x" * size, headers)
    sent = kept | {"Nats-Msg-Id": parked_id(delivery(), "mon")}
    assert wire_size(data, sent) <= MAX_WIRE
    assert (len(data) < size) == ("dlq-truncated" in kept)


def test_a_reason_is_one_token() -> None:
    assert token("a.b c>*") == "a-b-c-"
    assert token("") == "Unknown"


def test_a_sequence_alone_is_no_identity() -> None:
    assert parked_id(delivery(b"a"), "mon") != parked_id(delivery(b"b"), "mon")
    assert parked_id(delivery(b"a"), "mon") == parked_id(delivery(b"a"), "mon")


def test_each_consumer_parks_for_itself() -> None:
    assert parked_id(delivery(), "mon") != parked_id(delivery(), "rb-3")


def test_streams_never_shrink() -> None:
    live = {"max_bytes": 10, "num_replicas": 3, "metadata": {"_nats.level": "1"}, "placement": "p"}
    wanted = {"max_bytes": 5, "num_replicas": 1, "metadata": {"partitions": "16"}, "max_age": 4}
    assert merged(live, wanted) == {
        "max_bytes": 10,
        "num_replicas": 3,
        "metadata": {"_nats.level": "1", "partitions": "16"},
        "placement": "p",
        "max_age": 4,
    }
    assert merged({"max_bytes": -1}, {"max_bytes": 5})["max_bytes"] == -1
