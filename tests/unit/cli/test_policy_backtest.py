"""What a backtest is asked for, and how it tells what it found."""

import json
from datetime import timedelta

import pytest
from rich.console import Console

from cli.policy.errors import UsageError
from cli.policy.replaying import Replayed
from cli.policy.selecting import LONGEST, selection
from cli.policy.showing import MOST_ROWS, Found, as_json, summary, table
from shared.contracts.recorded import RecordedVerdict
from shared.policy.port import Failure, Verdict
from tests.support.recording import recorded_look, verdict

DAY = timedelta(days=1)
YES = verdict("safety_x.rego", allowed=True)
NO = verdict("safety_x.rego", "not [bold]today[/]", "\x1b[2Jgone")


def replayed(before: RecordedVerdict | None, after: Verdict) -> Replayed:
    look = recorded_look(*([before] if before else []))
    return Replayed(look=look, policy="safety_x.rego", before=before, after=after)


DENIED = replayed(YES, Verdict(allowed=False, reasons=("too many",)))
ALLOWED = replayed(NO, Verdict(allowed=True))
NEW = replayed(None, Verdict(allowed=False, reasons=("slow",), failure=Failure.TIMEOUT))


def found(*changes: Replayed, masked: int = 0, is_cut: bool = False) -> Found:
    return Found(
        revision="r2",
        replayed=9,
        without_input=1,
        masked=masked,
        changes=changes,
        is_cut=is_cut,
    )


def shown(what: Found) -> str:
    console = Console(width=160)
    with console.capture() as text:
        console.print(table(what))
    return text.get()


@pytest.mark.parametrize(
    ("against", "namespace", "names"),
    [
        ("stream", None, ("", "")),
        ("stream", "shop", ("shop", "")),
        ("diamond", None, ("default", "diamond")),
        ("diamond", "shop", ("shop", "diamond")),
        ("shop/diamond", None, ("shop", "diamond")),
        ("shop/stream", None, ("shop", "stream")),
    ],
)
def test_what_to_look_at(against: str, namespace: str | None, names: tuple[str, str]) -> None:
    chosen = selection(against, namespace=namespace, since="24h")

    assert (chosen.namespace, chosen.workflow, chosen.since) == (*names, DAY)
    look = recorded_look()
    assert chosen.takes(look) is (names[0] in {"", "shop"} and names[1] == "")


@pytest.mark.parametrize(
    ("against", "namespace", "since", "why"),
    [
        ("a/b/c", None, "1h", "neither stream, NAME nor NAMESPACE/NAME"),
        ("/b", None, "1h", "neither stream"),
        ("b/", None, "1h", "neither stream"),
        ("", None, "1h", "neither stream"),
        ("a/b", "c", "1h", "names the namespace a, --namespace c"),
        ("stream", None, "yesterday", "--since: 'yesterday' is no duration"),
    ],
)
def test_words_without_sense_are_told(
    against: str, namespace: str | None, since: str, why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        selection(against, namespace=namespace, since=since)


def test_a_time_longer_than_anything_is_kept_is_as_long_as_that() -> None:
    assert selection("stream", namespace=None, since="9999999h").since == LONGEST


def test_the_table_shows_both_verdicts_and_the_reason_of_the_refusal() -> None:
    text = shown(found(DENIED, ALLOWED, NEW))
    assert "\x1b" not in text

    lines = [" ".join(line.split()) for line in text.splitlines()]
    head = "2026-01-02 03:04:05 shop/fix grow safety_x.rego (safety)"
    assert f"{head} allow -> deny too many" in lines
    assert f"{head} deny -> allow not [bold]today[/]; [2Jgone" in lines
    assert f"{head} none -> deny (PolicyTimeout) slow" in lines


def test_the_sum_says_how_many_would_change_and_which_way() -> None:
    (line,) = summary(found(DENIED, ALLOWED, NEW))

    assert line == (
        "9 replayed, 3 would change (2 allow->deny, 1 deny->allow), 1 without a recorded input"
    )


def test_it_says_what_makes_it_less_than_exact() -> None:
    many = found(*([DENIED] * (MOST_ROWS + 1)), masked=2, is_cut=True)

    _, shortened, masked, cut = summary(many)

    assert shortened.startswith(f"the {MOST_ROWS} newest changes")
    assert masked.startswith("2 had values")
    assert "more than was read" in cut
    assert shown(many).count("too many") == MOST_ROWS


def test_json_holds_all_of_it() -> None:
    body = json.loads(as_json(found(DENIED, NEW)))

    assert (body["replayed"], body["wouldChange"], body["allowToDeny"]) == (9, 2, 2)
    first, second = body["changes"]
    assert first["before"] == {"allowed": True, "failure": "", "reasons": []}
    assert first["after"] == {"allowed": False, "failure": "", "reasons": ["too many"]}
    assert (first["namespace"], first["step"], first["stage"]) == ("shop", "grow", "safety")
    assert second["before"] is None
    assert second["after"]["failure"] == "PolicyTimeout"
