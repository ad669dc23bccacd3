"""What an action is about; nothing where its parameters name no kind that it knows."""

import pytest

from shared.api.enums import Action
from shared.api.parameters import (
    ActionParameters,
    ApplyManifest,
    CollectDiagnostics,
    LabelResource,
    TargetResource,
    WaitForCondition,
)
from shared.effects.targets import target_of

NODE = TargetResource(kind="Node", name="a")


@pytest.mark.parametrize(
    ("action", "parameters"),
    [
        (Action.LABEL_RESOURCE, LabelResource(kind="Node", name="a")),
        (Action.WAIT_FOR_CONDITION, WaitForCondition(target_resource=NODE, condition="Ready")),
        (Action.COLLECT_DIAGNOSTICS, CollectDiagnostics(target_resource=NODE)),
        (Action.APPLY_MANIFEST, ApplyManifest(manifest="kind: Node")),
    ],
)
def test_of_a_kind_that_planning_would_refuse_nothing_is_said(
    action: Action, parameters: ActionParameters
) -> None:
    """An execution that was not planned here is refused with its reason, later than this."""
    assert target_of(action, parameters, "shop") is None
