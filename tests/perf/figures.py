"""Figures of one run: percentiles, ratios, a table for people and JSON for machines."""

import math
from collections.abc import Sequence

import msgspec
from rich.table import Table


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was measured, beside what the raw servers need for the same."""

    name: str
    unit: str
    measured: float
    raw: float
    raw_means: str
    """What the raw figure stands for."""

    @property
    def ratio(self) -> float:
        """Return how many times the raw figure the measured one is; 0 without a raw figure."""
        return self.measured / self.raw if self.raw else 0.0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All figures of one run, and what was run."""

    workflows: int
    concurrency: int
    steps: int
    figures: list[Figure]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that `share` (0 to 1) of all values do not exceed.

    The nearest-rank method. Raises ValueError when there are no values.
    """
    if not values:
        message = "nothing was measured"
        raise ValueError(message)
    rank = max(1, math.ceil(share * len(values)))
    return sorted(values)[rank - 1]


def p50_and_p99(
    name: str, seconds: Sequence[float], raw: Sequence[float], *, raw_means: str
) -> list[Figure]:
    """Return the median and the 99th percentile of a latency, in milliseconds."""
    return [
        Figure(
            name=f"{name} {label}",
            unit="ms",
            measured=1000 * percentile(seconds, share),
            raw=1000 * percentile(raw, share) if raw else 0.0,
            raw_means=raw_means,
        )
        for label, share in (("p50", 0.5), ("p99", 0.99))
    ]


def to_json(report: Report) -> bytes:
    """Return a report as indented JSON, ratios included."""
    body = msgspec.to_builtins(report)
    body["figures"] = [
        row | {"ratio": figure.ratio}
        for row, figure in zip(body["figures"], report.figures, strict=True)
    ]
    return msgspec.json.format(msgspec.json.encode(body), indent=2)


def to_table(report: Report) -> Table:
    """Return a report as a table."""
    table = Table(
        title=f"{report.workflows} workflows of {report.steps} steps, "
        f"{report.concurrency} at a time"
    )
    table.add_column("figure")
    for column in ("Mendflow", "raw", "ratio"):
        table.add_column(column, justify="right")
    table.add_column("raw means", style="dim")
    for figure in report.figures:
        ratio = f"{figure.ratio:.1f}" if figure.raw else ""
        raw = f"{figure.raw:.1f}" if figure.raw else ""
        measured = f"{figure.measured:.1f} {figure.unit}"
        table.add_row(figure.name, measured, raw, ratio, figure.raw_means)
    return table
