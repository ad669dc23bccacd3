"""An engine with real worker processes."""

from collections.abc import AsyncIterator

import pytest

from shared.clock import SystemClock
from shared.policy.engine import WorkerEngine


@pytest.fixture
async def engine() -> AsyncIterator[WorkerEngine]:
    """Two workers, with bounds that a busy machine does not reach by itself."""
    async with WorkerEngine(
        clock=SystemClock(), timeout_s=2, load_timeout_s=20, wait_s=30
    ) as running:
        yield running
