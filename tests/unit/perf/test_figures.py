"""Percentiles, ratios and what is written of them."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.perf.figures import Figure, Report, p50_and_p99, percentile, to_json, to_table

LATENCIES = st.lists(st.floats(0, 1e6), min_size=1)


def _figure(measured: float, raw: float) -> Figure:
    return Figure(name="a write", unit="ms", measured=measured, raw=raw, raw_means="one write")


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.01, 1), (0.5, 50), (0.99, 99), (1.0, 100)]
)
def test_a_percentile_is_the_nearest_rank(share: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == expected


@given(values=LATENCIES, share=st.floats(0, 1))
def test_a_percentile_was_measured_and_bounds_its_share(values: list[float], share: float) -> None:
    found = percentile(values, share)

    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)


def test_no_values_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        percentile([], 0.5)


def test_seconds_become_milliseconds_beside_the_raw_ones() -> None:
    median, tail = p50_and_p99("a write", [0.2, 0.4], [0.1, 0.1], raw_means="one write")

    assert (median.name, median.measured, median.raw, median.ratio) == ("a write p50", 200, 100, 2)
    assert (tail.name, tail.measured) == ("a write p99", 400)


def test_without_a_raw_figure_there_is_no_ratio() -> None:
    assert _figure(5.0, 0.0).ratio == 0


def test_a_report_is_json_and_a_table() -> None:
    report = Report(workflows=2, concurrency=1, steps=3, figures=[_figure(3.0, 2.0)])

    body = json.loads(to_json(report))
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(to_table(report))
    text = console.export_text()

    assert body["workflows"] == 2
    assert body["figures"][0]["ratio"] == 1.5
    assert "2 workflows of 3 steps, 1 at a time" in text
    assert "3.0 ms" in text
    assert "1.5" in text
