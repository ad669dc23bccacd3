"""Every way a message can end is counted for its service, and for no other."""

from typing import get_args

import pytest
from prometheus_client import CollectorRegistry

from shared.bus.answering import Answer, Forget
from shared.bus.observing import Handled, result_of
from shared.contracts.subjects import Service
from shared.outcome import Ack, Park, Retry
from shared.telemetry.metrics import Metrics, Result
from shared.worker.observing import CountingObserver


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Ack(), "acked"),
        (Forget(), "fenced"),
        (Park(reason="Undecodable"), "parked"),
        (Park(reason="Crashed"), "parked"),
        (Retry(reason="Crashed", after_s=1), "crashed"),
        (Retry(reason="Conflict", after_s=1), "conflicted"),
        (Retry(reason="ClaimConflict", after_s=1), "conflicted"),
        (Retry(reason="BusUnavailable", after_s=1), "retried"),
    ],
)
def test_an_answer_is_one_word(found: Answer, expected: Handled) -> None:
    assert result_of(found) == expected


def test_the_words_of_the_bus_are_those_of_the_metrics() -> None:
    assert set(get_args(Handled)) == set(Result)


def test_messages_are_counted_for_their_service() -> None:
    registry = CollectorRegistry()
    observer = CountingObserver(Metrics(registry), service=Service.MONITOR)
    observer.handled("acked", seconds=0.25)
    observer.handled("parked", seconds=0)
    observer.redelivered()
    observer.published()
    observer.published()
    observer.parked("Undecodable")

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    assert value("mendflow_messages_consumed_total", service="mon", result="acked") == 1
    assert value("mendflow_messages_consumed_total", service="mon", result="parked") == 1
    assert value("mendflow_messages_consumed_total", service="exec", result="acked") == 0
    assert value("mendflow_handler_duration_seconds_sum", service="mon") == 0.25
    assert value("mendflow_messages_redelivered_total", service="mon") == 1
    assert value("mendflow_messages_published_total", service="mon") == 2
    assert value("mendflow_messages_published_total", service="exec") == 0
    assert value("mendflow_messages_parked_total", reason="Undecodable") == 1
