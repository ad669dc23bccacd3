"""The books of a drain: who waits, who was asked, who is leaving, who is gone."""

import pytest

from services.executor.core.evictions import Eviction, Evictions, Progress, wait_s
from tests.unit.executor.crowd import leaving, pod, pods

NEEDS_THREE = "The disruption budget web needs 3 healthy pods and has 3 currently"


def taken(evictions: Evictions, *, now: float = 0) -> Eviction:
    found = evictions.take(now)
    assert found is not None
    return found


def test_each_is_asked_for_once() -> None:
    evictions = Evictions(pods(2))

    assert [str(taken(evictions)) for _ in range(2)] == ["shop/web-0", "shop/web-1"]
    assert evictions.take(0) is None
    assert evictions.in_flight == 2
    assert not evictions.are_asked


def test_one_that_leaves_already_is_only_waited_for() -> None:
    evictions = Evictions([leaving(pod("web-0"))])

    assert evictions.are_asked
    assert not evictions.are_done
    assert evictions.progress() == Progress(total=1, evicted=1, gone=0, waiting_for_budget=0)


def test_gone_is_what_no_list_shows_any_more() -> None:
    evictions = Evictions(pods(3))
    evictions.accepted(taken(evictions))
    evictions.vanished(taken(evictions))

    evictions.see([pod("web-2")])

    assert evictions.progress() == Progress(total=3, evicted=2, gone=2, waiting_for_budget=0)
    assert not evictions.are_done


def test_who_goes_without_our_doing_is_not_asked_for() -> None:
    evictions = Evictions(pods(2))

    evictions.see([leaving(pod("web-0"))])

    assert evictions.take(0) is None
    assert evictions.progress() == Progress(total=2, evicted=2, gone=1, waiting_for_budget=0)


def test_an_answer_that_comes_after_the_pod_went_changes_nothing() -> None:
    evictions = Evictions(pods(1))
    asked = taken(evictions)
    evictions.see([])
    evictions.accepted(asked)

    evictions.see([])

    assert evictions.are_done


def test_one_that_was_refused_waits_for_its_time_while_others_go() -> None:
    evictions = Evictions(pods(2))
    evictions.postponed(taken(evictions), until=5.0, refusal=NEEDS_THREE)

    assert str(taken(evictions)) == "shop/web-1"
    assert evictions.take(4.9) is None
    assert evictions.next_due() == 5.0
    assert str(taken(evictions, now=5.0)) == "shop/web-0"


def test_what_is_left_names_the_budget_and_who_still_ends() -> None:
    evictions = Evictions([*pods(5), leaving(pod("slow"))])
    for _ in range(5):
        evictions.postponed(taken(evictions), until=5.0, refusal=NEEDS_THREE)

    assert evictions.progress().waiting_for_budget == 5
    assert evictions.held_by(NEEDS_THREE) == 5
    assert evictions.held_by("another budget") == 0
    assert evictions.left() == (
        f"6 of 6 pods left; {NEEDS_THREE} (shop/web-0, shop/web-1, shop/web-2 and 2 more); "
        "still ending: shop/slow"
    )


@pytest.mark.parametrize(
    ("tries", "retry_after_s", "expected"),
    [(0, None, 1.0), (1, None, 1.5), (4, None, 5.0), (400, None, 5.0), (0, 10.0, 10.0)],
)
def test_waits_grow_to_five_seconds_unless_the_server_says(
    tries: int, retry_after_s: float | None, expected: float
) -> None:
    assert wait_s(tries, retry_after_s) == expected
