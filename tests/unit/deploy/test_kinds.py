"""A kind is served once its definition says so, whatever it said before."""

import pytest

from deploy.local.errors import StartError
from deploy.local.kinds import wait_until_served


def test_conditions_that_are_not_written_yet_are_waited_for() -> None:
    answers = iter(["", "NamesAccepted=True ", "NamesAccepted=True Established=True "])

    wait_until_served(lambda *_: next(answers), ["things.example.com"])

    assert next(answers, None) is None


def test_a_kind_that_is_never_served_is_named() -> None:
    with pytest.raises(StartError, match=r"things\.example\.com"):
        wait_until_served(lambda *_: "Established=False ", ["things.example.com"], within_s=0)
