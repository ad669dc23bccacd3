"""The engine of the services, for one command."""

import os
from typing import Final

from cli.policy.errors import UsageError
from shared.clock import SystemClock
from shared.policy.engine import WorkerEngine
from shared.settings import Settings, SettingsError, load

WORKERS: Final = 2
_WAIT_S: Final = 60.0
"""For a worker; nobody else needs them, and a busy machine starts them slowly."""
_PATIENT_S: Final = 10.0


def settings() -> Settings:
    """Return the settings that a service would have here.

    Raises:
        UsageError: one of them has no sense.
    """
    try:
        return load(os.environ)
    except SettingsError as error:
        raise UsageError(str(error)) from error


def as_in_service(found: Settings) -> WorkerEngine:
    """Return an engine with the bounds that a service has."""
    return WorkerEngine(
        clock=SystemClock(),
        workers=WORKERS,
        timeout_s=found.policy_timeout_s,
        wait_s=_WAIT_S,
    )


def patient() -> WorkerEngine:
    """Return an engine that takes its time, for tests, which are about answers alone."""
    return WorkerEngine(
        clock=SystemClock(),
        workers=WORKERS,
        timeout_s=_PATIENT_S,
        load_timeout_s=_PATIENT_S,
        wait_s=_WAIT_S,
    )
