"""Which workflows the monitor's walk may pass by."""

from typing import Any

import pytest

from services.monitor.core.finished import is_finished

PLANNED: dict[str, Any] = {"executionPlan": {"order": ["a"]}}
SUMMED_UP: dict[str, Any] = {**PLANNED, "workflowResult": {"outcome": "failed"}}
UNDONE: dict[str, Any] = {"rollback": {"steps": [{"name": "a", "phase": "Completed"}]}}
COUNTED: dict[str, Any] = {"executionMetrics": {"rollbacksPerformed": 1}}


@pytest.mark.parametrize(
    ("status", "finished"),
    [
        ({}, False),
        ({"phase": "Executing", **SUMMED_UP}, False),
        ({"phase": "Failed"}, True),
        ({"phase": "Cancelled", **PLANNED}, False),
        ({"phase": "Cancelled", **SUMMED_UP}, True),
        ({"phase": "RolledBack", **SUMMED_UP, **UNDONE}, False),
        ({"phase": "RolledBack", **SUMMED_UP, **UNDONE, **COUNTED}, True),
        ({"phase": "Completed", **SUMMED_UP}, True),
    ],
    ids=[
        "new",
        "running",
        "refused",
        "ended by others",
        "summed up",
        "taken back",
        "taken back and counted",
        "completed",
    ],
)
def test_a_walk_passes_by_what_is_written_down(status: dict[str, Any], finished: bool) -> None:
    assert is_finished({"status": status}) is finished
