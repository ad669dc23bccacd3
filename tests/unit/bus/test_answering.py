"""Every way a handler can end, and what becomes of its messages."""

import pytest

from shared.bus.answering import MAX_DELIVERIES, Answer, Forget, answer, backoff_s
from shared.errors import (
    ConflictError,
    ContractError,
    FencedError,
    NotFoundError,
    PermanentError,
    TransientError,
)
from shared.outcome import Ack, Outcome, Park, Retry


@pytest.mark.parametrize(
    ("result", "tries", "expected"),
    [
        (Ack(), 1, Ack()),
        (Retry(reason="Waiting", after_s=7), 20, Retry(reason="Waiting", after_s=7)),
        (Park(reason="Odd", message="m"), 1, Park(reason="Odd", message="m")),
        (FencedError("Fenced"), 1, Forget()),
        (TransientError("Busy"), 1, Retry(reason="Busy", after_s=1)),
        (TransientError("Busy"), 4, Retry(reason="Busy", after_s=8)),
        (TransientError("Busy"), 50, Retry(reason="Busy", after_s=60)),
        (TransientError("Busy", retry_after_s=3), 4, Retry(reason="Busy", after_s=3)),
        (TransientError("Busy", retry_after_s=0), 4, Retry(reason="Busy", after_s=0)),
        (ConflictError("Conflict"), 1, Retry(reason="Conflict", after_s=1)),
        (ContractError("Undecodable", "bad"), 1, Park(reason="Undecodable", message="bad")),
        (PermanentError("TooLarge"), 1, Park(reason="TooLarge", message="TooLarge")),
        (NotFoundError("Gone"), 1, Park(reason="Gone", message="Gone")),
        (KeyError("x"), 1, Retry(reason="Crashed", after_s=1)),
        (KeyError("x"), MAX_DELIVERIES, Retry(reason="Crashed", after_s=60)),
        (KeyError("x"), MAX_DELIVERIES + 1, Park(reason="Crashed", message="KeyError")),
    ],
)
def test_answer(result: Outcome | Exception, tries: int, expected: Answer) -> None:
    assert answer(result, tries=tries) == expected


def test_spread_moves_a_backoff_but_not_what_was_asked_for() -> None:
    assert answer(TransientError("Busy"), tries=3, spread=0.5) == Retry(reason="Busy", after_s=2)
    asked = TransientError("Busy", retry_after_s=3)
    assert answer(asked, tries=3, spread=0.5) == Retry(reason="Busy", after_s=3)


def test_long_messages_are_cut() -> None:
    found = answer(PermanentError("Odd", "x" * 5000), tries=1)
    assert isinstance(found, Park)
    assert len(found.message) == 256


def test_backoff_never_shrinks() -> None:
    waits = [backoff_s(tries) for tries in range(30)]
    assert waits == sorted(waits)
    assert waits[-1] == 60
