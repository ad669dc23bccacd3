"""The limits that workflows run under: defaults, and the values in force.

Requirements 5.1 and 5.3 name them and their defaults.
"""

from datetime import timedelta

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Every limit, with its default."""

    max_parallel_steps: int = 5
    """Steps in flight per workflow at most."""
    approval_threshold: int = 10
    """More steps than this wait for a person's approval."""
    approval_timeout: timedelta = timedelta(minutes=15)
    """How long an approval is waited for."""
    planning_timeout: timedelta = timedelta(seconds=30)
    max_steps: int = 100
    max_dependency_depth: int = 100
    workflow_timeout_small: timedelta = timedelta(minutes=10)
    """Of workflows of 1 to 3 steps."""
    workflow_timeout_medium: timedelta = timedelta(minutes=20)
    """Of workflows of 4 to 10 steps."""
    workflow_timeout_large: timedelta = timedelta(minutes=45)
    """Of workflows of 11 steps and more."""
    rollback_step_timeout: timedelta = timedelta(minutes=5)
    rollback_timeout: timedelta = timedelta(minutes=15)
    rollback_max_attempts: int = 3


class LiveLimits:
    """The limits in force; they may change at any time."""

    def __init__(self, limits: Limits) -> None:
        self.current = limits
