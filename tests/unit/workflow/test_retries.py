"""Whether and when a failed attempt is tried again, without waiting for it."""

from datetime import timedelta

import msgspec
import pytest

from shared.api.enums import ErrorType
from shared.api.workflow_spec import ExecutionStrategy, RetryPolicy
from shared.workflow.retries import LONGEST_WAIT, delay, policy_of, retry_time
from tests.support.builders import NOW, scale_step

POLICY = RetryPolicy(max_retries=2, initial_delay="30s", multiplier=2.0)
MAY_GO_AWAY = {"timeout", "resource_conflict", "resource_quota_exceeded"}
"""Not unknown_error: nobody knows what such an attempt did, and it might happen twice."""


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 30), (2, 60), (3, 120), (4, 240)])
def test_each_wait_is_longer_by_the_multiplier(attempt: int, seconds: int) -> None:
    assert delay(POLICY, attempt) == timedelta(seconds=seconds)


def test_a_multiplier_of_one_keeps_the_wait() -> None:
    policy = msgspec.structs.replace(POLICY, multiplier=1.0)

    assert {delay(policy, attempt) for attempt in (1, 2, 3)} == {timedelta(seconds=30)}


def test_the_longest_wait_holds() -> None:
    policy = msgspec.structs.replace(POLICY, max_delay="45s")

    assert [delay(policy, attempt).seconds for attempt in (1, 2, 3)] == [30, 45, 45]


def test_no_wait_overflows_or_is_longer_than_an_hour() -> None:
    policy = RetryPolicy(initial_delay="10h", multiplier=10.0)

    assert delay(policy, 400) == LONGEST_WAIT


def test_a_longer_wait_that_was_asked_for_is_still_an_hour_at_most() -> None:
    policy = RetryPolicy(initial_delay="2h", max_delay="3h")

    assert delay(policy, 1) == LONGEST_WAIT


@pytest.mark.parametrize("error", sorted(ErrorType))
def test_row_59_permanent_errors_are_not_retried(error: ErrorType) -> None:
    due = retry_time(POLICY, attempt=1, error=error, ended=NOW)

    assert (due is not None) is (error in MAY_GO_AWAY)


@pytest.mark.parametrize(
    ("attempt", "due"),
    [(1, NOW + timedelta(seconds=30)), (2, NOW + timedelta(seconds=60)), (3, None)],
)
def test_attempts_end_with_the_last_retry(attempt: int, due: object) -> None:
    assert retry_time(POLICY, attempt=attempt, error=ErrorType.TIMEOUT, ended=NOW) == due


def test_named_errors_are_retried_instead_of_the_transient_ones() -> None:
    policy = msgspec.structs.replace(POLICY, retryable_errors=["resource_not_found"])

    missing = retry_time(policy, attempt=1, error=ErrorType.RESOURCE_NOT_FOUND, ended=NOW)

    assert missing == NOW + timedelta(seconds=30)
    assert retry_time(policy, attempt=1, error=ErrorType.TIMEOUT, ended=NOW) is None


@pytest.mark.parametrize("error", [ErrorType.UNKNOWN_ERROR, ErrorType.CANCELLED])
def test_a_change_that_may_have_been_made_is_not_tried_again_even_when_named(
    error: ErrorType,
) -> None:
    policy = msgspec.structs.replace(POLICY, retryable_errors=[str(error)])

    assert retry_time(policy, attempt=1, error=error, ended=NOW) is None


def test_nothing_is_retried_unless_somebody_asked_for_it() -> None:
    step = scale_step("a")

    assert policy_of(step, ExecutionStrategy()).max_retries == 0
    assert policy_of(step, ExecutionStrategy(max_retries=3)).max_retries == 3


def test_the_policy_of_a_step_wins_over_that_of_the_workflow() -> None:
    step = msgspec.structs.replace(scale_step("a"), retry_policy=RetryPolicy(max_retries=0))

    assert policy_of(step, ExecutionStrategy(max_retries=3)).max_retries == 0
