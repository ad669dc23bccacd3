"""Of which Deployments the planner notes how many replicas they have."""

from collections.abc import Sequence

import msgspec
import pytest

from services.planner.core.baselines import to_be_noted
from shared.api.parameters import Parameters, ScaleDeployment
from shared.api.workflow_spec import (
    AdaptiveOrchestration,
    Adjustment,
    Insertion,
    Step,
    StepCondition,
)
from tests.support.builders import make_workflow, notify_step, scale_step

CONDITION = StepCondition(type="current_replicas_match", description="nobody scaled it")


def guarded(step: Step) -> Step:
    return msgspec.structs.replace(step, pre_conditions=[CONDITION])


def scaling(**parameters: object) -> Step:
    given = {"deployment": "web", "replicas": 3} | parameters
    scale = msgspec.convert(given, ScaleDeployment)
    return guarded(
        msgspec.structs.replace(scale_step("a"), parameters=Parameters(scale_deployment=scale))
    )


@pytest.mark.parametrize(
    ("steps", "noted"),
    [
        ([guarded(scale_step("web")), guarded(scale_step("api"))], ["api", "web"]),
        ([scale_step("web")], []),
        ([guarded(notify_step("web"))], []),
        ([scaling(), guarded(scale_step("web"))], ["web"]),
        ([scaling(expectedReplicas=3)], []),
        ([scaling(deployment="${vars.target}")], []),
    ],
)
def test_what_is_scaled_after_a_precondition_is_noted(
    steps: Sequence[Step], noted: list[str]
) -> None:
    assert to_be_noted(make_workflow(steps).spec) == noted


def test_what_an_adjustment_may_come_to_scale_is_noted_too() -> None:
    insertion = Insertion(step=guarded(scale_step("later")))
    adaptive = AdaptiveOrchestration(adjustments=[Adjustment(name="more", insert=[insertion])])
    spec = make_workflow([notify_step("a")]).spec

    assert to_be_noted(msgspec.structs.replace(spec, adaptive_orchestration=adaptive)) == ["later"]
