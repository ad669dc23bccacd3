"""Which workflows the orchestrator's walk may pass by."""

from typing import Any

import pytest

from services.orchestrator.core.finished import is_finished

ASKED: dict[str, Any] = {"control": {"verb": "retry", "generation": 2}}


@pytest.mark.parametrize(
    ("verb", "status", "finished"),
    [
        (None, {}, False),
        (None, {"phase": "Executing"}, False),
        (None, {"phase": "Completed"}, True),
        ("pause", {"phase": "Completed"}, False),
        ("pause", {"phase": "Completed", "control": {"verb": "pause"}}, True),
        (None, {"phase": "Completed", "control": {"verb": "pause"}}, False),
        ("retry", {"phase": "Degraded", **ASKED}, False),
    ],
    ids=["new", "running", "ended", "asked", "answered", "taken back", "asked again"],
)
def test_a_walk_passes_by_what_has_ended_and_is_answered(
    verb: str | None, status: dict[str, Any], finished: bool
) -> None:
    spec = {"control": verb} if verb else {}

    item = {"metadata": {"generation": 3}, "spec": spec, "status": status}

    assert is_finished(item) is finished
