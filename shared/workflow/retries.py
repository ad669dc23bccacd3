"""Whether and when a failed attempt is tried again (requirements 2.1, BR-AUTOMATION-002)."""

from datetime import datetime, timedelta
from typing import Final

from shared.api.enums import ErrorType
from shared.api.workflow_spec import ExecutionStrategy, RetryPolicy, Step
from shared.workflow import durations

TRANSIENT: Final = frozenset(
    {ErrorType.TIMEOUT, ErrorType.RESOURCE_CONFLICT, ErrorType.RESOURCE_QUOTA_EXCEEDED}
)
"""What may go away by itself."""
FINAL: Final = frozenset({ErrorType.UNKNOWN_ERROR, ErrorType.CANCELLED})
"""Its change may have been made: shown to people, never tried again (S2)."""
LONGEST_WAIT: Final = timedelta(hours=1)
_LARGEST_EXPONENT: Final = 100
"""Beyond it a wait is an hour anyway, and a float ends somewhere."""


def policy_of(step: Step, strategy: ExecutionStrategy) -> RetryPolicy:
    """Return how failed attempts of a step are retried; not at all when nobody asked for it."""
    if step.retry_policy is not None:
        return step.retry_policy
    return RetryPolicy(max_retries=strategy.max_retries or 0)


def delay(policy: RetryPolicy, attempt: int) -> timedelta:
    """Return the wait after a failed attempt: initialDelay x multiplier^(attempt-1), capped."""
    longest = durations.parse(policy.max_delay) if policy.max_delay else LONGEST_WAIT
    first = durations.parse(policy.initial_delay).total_seconds()
    seconds = first * policy.multiplier ** min(attempt - 1, _LARGEST_EXPONENT)
    return min(longest, timedelta(seconds=min(seconds, LONGEST_WAIT.total_seconds())))


def retry_time(
    policy: RetryPolicy, *, attempt: int, error: ErrorType, ended: datetime
) -> datetime | None:
    """Return when a failed attempt is tried again, or None when it is not.

    Args:
        policy: of the step.
        attempt: number of the attempt that failed, from 1.
        error: why it failed.
        ended: when it failed.
    """
    retryable = error in policy.retryable_errors if policy.retryable_errors else error in TRANSIENT
    if not retryable or error in FINAL or attempt > policy.max_retries:
        return None
    return ended + delay(policy, attempt)
