"""Limits: who wins, and that a value without sense changes nothing."""

from datetime import timedelta

import pytest

from shared.limits import GitOps, Limits, LiveLimits


def test_row_31_a_config_map_wins_over_defaults_and_the_environment_over_it() -> None:
    live = LiveLimits(Limits(approval_threshold=3), pinned=frozenset({"approval_threshold"}))

    changes, problems = live.take(
        {"max-parallel-steps": "7", "complexity-approval-threshold": "50", "approval-timeout": "1m"}
    )

    assert problems == {}
    assert changes == ["max_parallel_steps: 5 -> 7", "approval_timeout: 900s -> 60s"]
    assert live.current.approval_threshold == 3
    assert live.current.approval_timeout == timedelta(minutes=1)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("max-parallel-steps", "0", "'0' must be from 1 to"),
        ("max-parallel-steps", "-2", "'-2' must be from 1 to"),
        ("max-concurrent-steps", "five", "'five' is no whole number"),
        ("max-parallel-steps", "2.5", "'2.5' is no whole number"),
        ("kubernetes-qps", "nan", "must be from 0 to"),
        ("approval-timeout", "5 minutes", "write it like 90s, 5m or 1h30m"),
        ("approval-timeout", "0s", "must be more than zero"),
        ("approval-timeout", "20000000h", "8760h at most"),
        ("approval-timeout", "99999999999h", "write it like 90s, 5m or 1h30m"),
        ("max-parallel-step", "3", "there is no such limit"),
        ("gitops", "proceed", "'proceed' must be refuse or note"),
        ("gitops", "", "'' must be refuse or note"),
    ],
)
def test_row_31_a_value_without_sense_leaves_what_was_in_force(
    key: str, value: str, told: str
) -> None:
    live = LiveLimits(Limits())
    live.take({"max-parallel-steps": "7", "approval-timeout": "1m"})
    before = live.current

    changes, problems = live.take(
        {"max-parallel-steps": "7", "approval-timeout": "1m"} | {key: value}
    )

    assert changes == []
    assert live.current == before
    assert list(problems) == [key]
    assert told in problems[key]


def test_what_git_ops_owns_is_refused_until_a_config_map_says_otherwise() -> None:
    live = LiveLimits(Limits())
    assert live.current.gitops is GitOps.REFUSE

    changes, _ = live.take({"gitops": " note "})
    assert (changes, live.current.gitops) == (["gitops: refuse -> note"], GitOps.NOTE)

    _, problems = live.take({"gitops": "yes"})
    assert problems == {"gitops": "'yes' must be refuse or note; note stays in force"}
    live.take({})
    assert live.current.gitops is GitOps.REFUSE


def test_one_bad_value_does_not_hold_up_the_others() -> None:
    live = LiveLimits(Limits())

    live.take({"max-parallel-steps": "0", "complexity-approval-threshold": "4"})

    assert (live.current.max_parallel_steps, live.current.approval_threshold) == (5, 4)


def test_what_is_taken_out_goes_back_to_what_it_was() -> None:
    live = LiveLimits(Limits(max_parallel_steps=6))
    told: list[int] = []
    live.on_change(lambda now: told.append(now.max_parallel_steps))

    for data in ({"max-parallel-steps": "2"}, {"max-parallel-steps": "2"}, {}):
        live.take(data)

    assert told == [2, 6]
