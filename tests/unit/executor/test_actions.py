"""What each action changes, what undoes it, and when its target has settled."""

from typing import Any

import pytest

from services.executor.actions import mutations, rollouts, waiting
from services.executor.actions.mutations import Mutation
from services.executor.core.changes import Broken, Done, NotYet, RefusedError, inverse_of
from shared.api.enums import Action, ErrorType
from shared.api.parameters import (
    RestartDeployment,
    ScaleDeployment,
    TargetResource,
    UpdateImage,
    WaitForCondition,
)
from shared.effects.catalogue import canonical, parameters_of
from shared.kube.apply import to_json
from tests.unit.executor.live import live_deployment

SCALE = ScaleDeployment(deployment="web", replicas=5)
IMAGE = UpdateImage(deployment="web", container="app", new_image="web:2")
RESTART = RestartDeployment(deployment="web")
RESTARTED = "kubectl.kubernetes.io/restartedAt"


def _patched(mutation: Mutation, live: dict[str, Any]) -> dict[str, Any]:
    """Return the object after the action's merge patch."""
    return _merged(live, dict(mutations.render(mutation, live, stamp="now").patch))


def _merged(target: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    result = dict(target)
    for key, value in patch.items():
        nested = isinstance(value, dict)
        result[key] = _merged(result.get(key) or {}, value) if nested else value
    return result


def test_scaling_changes_the_replicas_and_nothing_else() -> None:
    live = live_deployment(replicas=2)

    after = _patched(SCALE, live)

    assert after["spec"].pop("replicas") == 5
    assert live["spec"].pop("replicas") == 2
    assert after == live


def test_an_image_change_leaves_other_containers_and_fields_alone() -> None:
    live = live_deployment(image="web:1")

    app, side = _patched(IMAGE, live)["spec"]["template"]["spec"]["containers"]

    assert app == {"name": "app", "image": "web:2", "ports": [{"containerPort": 80}]}
    assert side == {"name": "side", "image": "side:1"}


def test_a_restart_writes_the_annotation_that_kubectl_writes() -> None:
    after = _patched(RESTART, live_deployment())

    assert after["spec"]["template"]["metadata"] == {"annotations": {RESTARTED: "now"}}


@pytest.mark.parametrize(
    ("mutation", "before"),
    [(SCALE, {"replicas": 2}), (IMAGE, {"newImage": "web:1", "container": "app"})],
    ids=["scale", "image"],
)
def test_the_inverse_puts_back_what_was_there(mutation: Mutation, before: dict[str, Any]) -> None:
    live = live_deployment(replicas=2, image="web:1")
    address = mutations.address(mutation, "default")

    inverse = inverse_of(mutations.render(mutation, live, stamp="now"), live, address)

    assert inverse.available
    assert inverse.target is not None
    assert (inverse.target.uid, inverse.resource_version) == ("uid-of-web", "7")
    assert inverse.rollback_parameters is not None
    (undo,) = to_json(inverse.rollback_parameters).values()
    assert undo == {"deployment": "web", "namespace": ""} | before


@pytest.mark.parametrize("mutation", [SCALE, IMAGE], ids=["scale", "image"])
def test_undoing_restores_every_owned_field(mutation: Mutation) -> None:
    live = live_deployment(replicas=2, image="web:1")
    change = mutations.render(mutation, live, stamp="now")
    assert change.rollback_parameters is not None
    undo: Any = parameters_of(_action(change.rollback_action), change.rollback_parameters)

    back = _patched(undo, _patched(mutation, live))

    assert mutations.observe(mutation, back) == change.before
    assert back == live


def test_a_restart_cannot_be_undone() -> None:
    live = live_deployment()
    change = mutations.render(RESTART, live, stamp="now")

    assert not inverse_of(change, live, mutations.address(RESTART, "default")).available


def test_what_is_observed_after_a_change_is_what_the_change_promised() -> None:
    for mutation in (SCALE, IMAGE, RESTART):
        live = live_deployment()
        change = mutations.render(mutation, live, stamp="now")

        assert mutations.observe(mutation, live) == change.before
        assert mutations.observe(mutation, _patched(mutation, live)) == change.after


def test_a_container_that_does_not_exist_is_named_beside_those_that_do() -> None:
    missing = UpdateImage(deployment="web", container="nope", new_image="web:2")

    with pytest.raises(RefusedError, match=r"no container 'nope'; it has app, side") as caught:
        mutations.render(missing, live_deployment(), stamp="now")

    assert caught.value.error is ErrorType.VALIDATION_ERROR


def test_parameters_may_name_another_namespace_than_the_workflow() -> None:
    elsewhere = ScaleDeployment(deployment="web", namespace="other", replicas=1)

    assert mutations.address(elsewhere, "default").namespace == "other"
    assert str(mutations.address(SCALE, "default")) == "Deployment default/web"


@pytest.mark.parametrize(
    ("live", "message"),
    [
        (live_deployment(observed=2), "waiting for the Deployment controller"),
        (live_deployment(replicas=3, updated=1), "1 of 3 replicas are updated"),
        (live_deployment(replicas=3, total=5), "2 old replicas still run"),
        (live_deployment(replicas=3, available=2), "2 of 3 updated replicas are available"),
    ],
    ids=["unseen", "updating", "surplus", "unavailable"],
)
def test_a_rollout_is_waited_for(live: dict[str, Any], message: str) -> None:
    verdict = rollouts.unsettled(live)

    assert isinstance(verdict, NotYet)
    assert message in verdict.message


def test_a_rollout_past_its_deadline_is_broken() -> None:
    live = live_deployment(replicas=3, available=0)
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    live["status"]["conditions"] = [late]

    verdict = rollouts.unsettled(live)

    assert isinstance(verdict, Broken)
    assert verdict.error is ErrorType.TIMEOUT


def test_a_settled_change_tells_old_and_new() -> None:
    live = live_deployment(replicas=2, image="web:1")
    captured = inverse_of(
        mutations.render(SCALE, live, stamp=""), live, mutations.address(SCALE, "default")
    )

    verdict = mutations.judge(SCALE, live_deployment(replicas=5), captured)

    assert isinstance(verdict, Done)
    scaled = verdict.result.scale_result
    assert scaled is not None
    assert (scaled.previous_replicas, scaled.new_replicas) == (2, 5)


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (None, NotYet),
        ([], NotYet),
        ([{"type": "Complete", "status": "False"}], NotYet),
        ([{"type": "Complete", "status": "True"}], Done),
        ([{"type": "Failed", "status": "True"}], Broken),
    ],
    ids=["missing", "unreported", "false", "true", "failed"],
)
def test_a_condition_is_waited_for_unless_it_can_no_longer_come(
    conditions: list[dict[str, str]] | None, expected: type
) -> None:
    parameters = WaitForCondition(
        target_resource=TargetResource(kind="Job", name="fix"), condition="Complete"
    )
    live = None if conditions is None else {"status": {"conditions": conditions}}

    assert isinstance(waiting.judge(parameters, live), expected)


def test_a_condition_may_carry_its_kind() -> None:
    parameters = WaitForCondition(
        target_resource=TargetResource(kind="Deployment", name="web"),
        condition="DeploymentAvailable",
    )
    live = {"status": {"conditions": [{"type": "Available", "status": "True"}]}}

    assert isinstance(waiting.judge(parameters, live), Done)


def _action(name: str) -> Action:
    found = canonical(name)
    assert found is not None
    return found
