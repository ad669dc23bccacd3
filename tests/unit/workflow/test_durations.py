"""Durations: what is one, and that nothing else ends in anything but a ValueError."""

from datetime import timedelta

import pytest

from shared.workflow.durations import parse


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90s", timedelta(seconds=90)),
        ("1h30m", timedelta(minutes=90)),
        ("250ms", timedelta(milliseconds=250)),
        ("0.5s", timedelta(milliseconds=500)),
    ],
)
def test_a_go_duration_is_read(text: str, length: timedelta) -> None:
    assert parse(text) == length


@pytest.mark.parametrize(
    "text", ["", "5", "5 minutes", "-5m", "5m ", "m", "99999999999h", f"{'9' * 400}h"]
)
def test_what_is_no_duration_or_longer_than_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 90s, 5m or 1h30m"):
        parse(text)
