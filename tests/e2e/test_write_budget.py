"""What a step costs the API server, by the server's own count."""

from typing import Final

import pytest

from tests.support.api_metrics import our_writes
from tests.support.kubectl import Kubectl
from tests.support.services import Services
from tests.support.workflows import Object, diamond, scale, workflow

BUDGET: Final = 6
APPLIED: Final = 1
PER_WORKFLOW: Final = 2
"""Its plan, and the release of its last token."""


@pytest.mark.parametrize(
    ("steps", "strategy"),
    [
        pytest.param(diamond(), {}, id="diamond"),
        pytest.param(
            [scale(f"s{number}", "web", number) for number in range(2, 10)], {}, id="many"
        ),
        pytest.param(diamond(), {"dryRunFirst": True}, id="tried-first"),
    ],
)
def test_a_step_costs_at_most_six_writes(
    kubectl: Kubectl, services: Services, steps: list[Object], strategy: Object
) -> None:
    services.wait_connected()
    before = our_writes(kubectl)

    body = workflow("counted", _chained(steps))
    body["spec"]["executionStrategy"] = strategy
    kubectl.apply(body)
    done = kubectl.wait_phase("counted", "Completed", "Failed")

    assert done["status"]["phase"] == "Completed"
    spent = our_writes(kubectl) - before - APPLIED - PER_WORKFLOW
    assert spent / len(steps) <= BUDGET, f"{spent} writes for {len(steps)} steps"
    # An execution, a claim, an effect and a result are the least: fewer is a wrong count.
    assert spent / len(steps) >= BUDGET - 2, f"{spent} writes for {len(steps)} steps"


def _chained(steps: list[Object]) -> list[Object]:
    """Let steps without an order follow each other: alone, a step shares no write."""
    if any("dependsOn" in step for step in steps):
        return steps
    names = [step["name"] for step in steps]
    return [steps[0]] + [
        step | {"dependsOn": [before]} for before, step in zip(names, steps[1:], strict=False)
    ]
