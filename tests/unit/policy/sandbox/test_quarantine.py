"""Which policies rest."""

from datetime import UTC, datetime

import pytest

from shared.policy.quarantine import REST_S, WINDOW_S, Quarantine


class Told:
    """A clock that is told what time it is."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Told:
    return Told()


@pytest.fixture
def quarantine(clock: Told) -> Quarantine:
    return Quarantine(clock)


def test_three_in_a_row_rest_however_long_it_took(quarantine: Quarantine, clock: Told) -> None:
    for _ in range(3):
        assert not quarantine.rests_s("a")
        clock.at += WINDOW_S * 2
        quarantine.strike("a")

    assert quarantine.rests_s("a") == REST_S
    assert not quarantine.rests_s("b")


def test_three_within_the_window_rest_whatever_came_between(
    quarantine: Quarantine, clock: Told
) -> None:
    for _ in range(3):
        quarantine.strike("a")
        quarantine.behaved("a")
        clock.at += WINDOW_S / 4

    assert quarantine.rests_s("a") == REST_S - WINDOW_S / 4


def test_few_in_a_long_time_do_not_rest(quarantine: Quarantine, clock: Told) -> None:
    for _ in range(9):
        quarantine.strike("a")
        quarantine.behaved("a")
        clock.at += WINDOW_S / 2

    assert not quarantine.rests_s("a")


def test_a_rest_ends_and_counting_begins_anew(quarantine: Quarantine, clock: Told) -> None:
    for _ in range(3):
        quarantine.strike("a")
    clock.at += REST_S

    assert not quarantine.rests_s("a")
    quarantine.strike("a")
    assert not quarantine.rests_s("a")


def test_no_more_are_known_than_may_be(quarantine: Quarantine) -> None:
    for number in range(5000):
        quarantine.strike(str(number))

    assert len(quarantine._records) == 4096


def test_one_strike_makes_suspect_until_it_is_long_ago(quarantine: Quarantine, clock: Told) -> None:
    quarantine.strike("a")
    quarantine.behaved("a")

    assert quarantine.is_suspect("a")
    assert not quarantine.is_suspect("b")
    clock.at += WINDOW_S
    assert not quarantine.is_suspect("a")


def test_how_many_strikes_it_takes_can_be_told(clock: Told) -> None:
    patient = Quarantine(clock, strikes=10)
    for _ in range(9):
        patient.strike("a")

    assert not patient.rests_s("a")
    patient.strike("a")
    assert patient.rests_s("a") == REST_S
