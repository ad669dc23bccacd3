"""Laws of the window of requests in flight, whatever the API server answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.executor.core import windows
from services.executor.core.windows import HIGHEST, LOWEST, Window

LATENCIES = st.floats(min_value=0.001, max_value=20)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["answered", "throttled"]),
        LATENCIES,
        st.none() | st.floats(min_value=0, max_value=30),
    ),
    max_size=300,
)


def after(events: list[tuple[str, float, float | None]]) -> tuple[Window, float]:
    """Return the window after some answers, each some time after the one before."""
    window, now = Window(), 0.0
    for event, latency_s, retry_after_s in events:
        now += latency_s
        if event == "answered":
            window = windows.answered(window, sent=now - latency_s, now=now)
        else:
            window = windows.throttled(
                window, sent=now - latency_s, now=now, retry_after_s=retry_after_s
            )
    return window, now


def well(window: Window, now: float, *, rounds: int, latency_s: float) -> tuple[Window, float]:
    """Return the window after rounds whose answers all take the same time."""
    for _ in range(rounds):
        sent, now = now, now + latency_s
        for _ in range(window.size):
            window = windows.answered(window, sent=sent, now=now)
    return window, now


@given(EVENTS)
def test_it_stays_within_its_bounds(events: list[tuple[str, float, float | None]]) -> None:
    window, _ = after(events)

    assert LOWEST <= window.size <= HIGHEST


@given(EVENTS, LATENCIES)
def test_it_always_opens_again_once_answers_are_steady(
    events: list[tuple[str, float, float | None]], latency_s: float
) -> None:
    window, now = after(events)

    window, now = well(window, now, rounds=40, latency_s=latency_s)

    assert window.size == HIGHEST
    assert windows.may_send(window, in_flight=0, now=max(now, window.closed_until))


@given(EVENTS, st.none() | st.floats(min_value=0, max_value=30))
def test_too_many_halves_it_once_and_closes_it_for_a_second_or_as_long_as_the_server_says(
    events: list[tuple[str, float, float | None]], retry_after_s: float | None
) -> None:
    window, now = after(events)
    closed_until = max(window.closed_until, now + max(1.0, retry_after_s or 0.0))

    cut = windows.throttled(window, sent=now, now=now, retry_after_s=retry_after_s)
    again = windows.throttled(cut, sent=now - 0.01, now=now, retry_after_s=retry_after_s)

    assert cut.size == again.size == max(LOWEST, window.size // 2)
    assert cut.closed_until == again.closed_until == closed_until
    assert windows.may_send(cut, in_flight=0, now=closed_until)
    assert not windows.may_send(cut, in_flight=0, now=now)


@given(EVENTS)
def test_no_more_are_sent_than_its_size(events: list[tuple[str, float, float | None]]) -> None:
    window, now = after(events)
    now = max(now, window.closed_until)

    assert windows.may_send(window, in_flight=window.size - 1, now=now)
    assert not windows.may_send(window, in_flight=window.size, now=now)


def test_it_grows_a_little_each_round() -> None:
    grown, now = well(Window(), 0.0, rounds=1, latency_s=0.1)
    more, _ = well(grown, now, rounds=1, latency_s=0.1)

    assert Window().size < grown.size < more.size
    assert grown.size - Window().size == more.size - grown.size


@pytest.mark.parametrize(
    ("before_s", "after_s", "shrinks"),
    [
        pytest.param(0.1, 0.39, False, id="less than four times"),
        pytest.param(0.1, 0.41, True, id="more than four times"),
        pytest.param(0.005, 0.1, False, id="many times, but nobody would notice"),
    ],
)
def test_it_shrinks_when_answers_take_several_times_as_long_as_at_best(
    before_s: float, after_s: float, shrinks: bool
) -> None:
    quick, now = well(Window(), 0.0, rounds=3, latency_s=before_s)

    slow, _ = well(quick, now, rounds=1, latency_s=after_s)

    assert (slow.size < quick.size) is shrinks


def test_a_server_that_is_slower_for_good_is_measured_anew() -> None:
    quick, now = well(Window(), 0.0, rounds=10, latency_s=0.01)

    cut, now = well(quick, now, rounds=5, latency_s=2.0)
    again, _ = well(cut, now, rounds=20, latency_s=2.0)

    assert cut.size == LOWEST
    assert again.size == HIGHEST


def test_one_cut_is_enough_for_all_that_was_in_flight() -> None:
    window, now = well(Window(), 0.0, rounds=10, latency_s=0.1)
    later = now + 5
    cut = windows.throttled(window, sent=now, now=later)

    for _ in range(window.size):
        cut = windows.answered(cut, sent=now, now=later)

    assert cut.size == window.size // 2
