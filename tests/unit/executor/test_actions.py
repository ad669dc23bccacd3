"""What each action changes, what undoes it, and when its target has settled."""

from typing import Any

import msgspec
import pytest

from services.executor.actions import rollouts, waiting
from services.executor.actions.handlers import HANDLERS
from services.executor.actions.handling import Material
from services.executor.core import captures, paths
from services.executor.core.captures import Mutation
from services.executor.core.changes import (
    Asked,
    Broken,
    Done,
    NotYet,
    RefusedError,
    State,
    Wanted,
)
from shared.api.enums import Action, ErrorType
from shared.api.parameters import (
    ActionParameters,
    ApplyManifest,
    EnableDebugMode,
    RestartDeployment,
    ScaleDeployment,
    TargetResource,
    UpdateConfigmap,
    UpdateImage,
    UpdateNetworkPolicy,
    UpdateSecret,
    WaitForCondition,
)
from shared.effects.forms import Form
from shared.effects.targets import target_of
from shared.kube.apply import to_json
from tests.unit.executor.live import live_deployment

SCALE = ScaleDeployment(deployment="web", replicas=5)
IMAGE = UpdateImage(deployment="web", container="app", new_image="web:2")
RESTART = RestartDeployment(deployment="web")
RESTARTED = "kubectl.kubernetes.io/restartedAt"
ALL = [
    (Action.SCALE_DEPLOYMENT, SCALE),
    (Action.UPDATE_IMAGE, IMAGE),
    (Action.RESTART_DEPLOYMENT, RESTART),
]


def _mutation(action: Action, parameters: ActionParameters) -> Mutation:
    address = target_of(action, parameters, "default")
    assert address is not None
    return Mutation(action=action, parameters=parameters, address=address, handler=HANDLERS[action])


def _state(action: Action, parameters: ActionParameters, live: dict[str, Any]) -> State:
    wanted = HANDLERS[action].intend(parameters, live, Material(stamp="now"))
    assert isinstance(wanted, Wanted)
    return captures.state_wanted(live, wanted)


def _changed(action: Action, parameters: ActionParameters, live: dict[str, Any]) -> dict[str, Any]:
    """Return the object after the action."""
    return paths.replaced(live, _state(action, parameters, live).after)


def test_scaling_changes_the_replicas_and_nothing_else() -> None:
    live = live_deployment(replicas=2)

    after = _changed(Action.SCALE_DEPLOYMENT, SCALE, live)

    assert after["spec"].pop("replicas") == 5
    assert live["spec"].pop("replicas") == 2
    assert after == live


def test_an_image_change_leaves_other_containers_and_fields_alone() -> None:
    live = live_deployment(image="web:1")

    app, side = _changed(Action.UPDATE_IMAGE, IMAGE, live)["spec"]["template"]["spec"]["containers"]

    assert app == {"name": "app", "image": "web:2", "ports": [{"containerPort": 80}]}
    assert side == {"name": "side", "image": "side:1"}


def test_a_restart_writes_the_annotation_that_kubectl_writes() -> None:
    after = _changed(Action.RESTART_DEPLOYMENT, RESTART, live_deployment())

    assert after["spec"]["template"]["metadata"] == {"annotations": {RESTARTED: "now"}}


@pytest.mark.parametrize(
    ("action", "parameters", "before"),
    [
        (Action.SCALE_DEPLOYMENT, SCALE, {"replicas": 2}),
        (Action.UPDATE_IMAGE, IMAGE, {"newImage": "web:1", "container": "app"}),
    ],
    ids=["scale", "image"],
)
def test_the_inverse_says_what_was_there(
    action: Action, parameters: ActionParameters, before: dict[str, Any]
) -> None:
    live = live_deployment(replicas=2, image="web:1")
    state, mutation = _state(action, parameters, live), _mutation(action, parameters)

    inverse = captures.inverse_of(mutation, state, live, shown=state, kept_in="")

    assert inverse.available
    assert inverse.target is not None
    assert (inverse.target.uid, inverse.resource_version) == ("uid-of-web", "7")
    assert inverse.rollback_parameters is not None
    (undo,) = to_json(inverse.rollback_parameters).values()
    assert undo == {"deployment": "web", "namespace": ""} | before


@pytest.mark.parametrize(("action", "parameters"), ALL[:2], ids=["scale", "image"])
def test_undoing_restores_every_owned_field(action: Action, parameters: ActionParameters) -> None:
    live = live_deployment(replicas=2, image="web:1")
    state = _state(action, parameters, live)

    back = paths.replaced(paths.replaced(live, state.after), state.before)

    assert paths.observed(back, state.before) == state.before
    assert back == live


def test_a_restart_cannot_be_undone() -> None:
    live = live_deployment()
    state = _state(Action.RESTART_DEPLOYMENT, RESTART, live)
    mutation = _mutation(Action.RESTART_DEPLOYMENT, RESTART)

    assert not captures.inverse_of(mutation, state, live, shown=state, kept_in="").available


@pytest.mark.parametrize(("action", "parameters"), ALL, ids=["scale", "image", "restart"])
def test_what_is_observed_after_a_change_is_what_the_change_promised(
    action: Action, parameters: ActionParameters
) -> None:
    live = live_deployment()
    state = _state(action, parameters, live)

    assert paths.observed(live, state.before) == state.before
    assert paths.observed(_changed(action, parameters, live), state.after) == state.after


def test_a_container_that_does_not_exist_is_named_beside_those_that_do() -> None:
    missing = UpdateImage(deployment="web", container="nope", new_image="web:2")

    with pytest.raises(RefusedError, match=r"no container 'nope'; it has app, side") as caught:
        _state(Action.UPDATE_IMAGE, missing, live_deployment())

    assert caught.value.error is ErrorType.VALIDATION_ERROR


def test_parameters_may_name_another_namespace_than_the_workflow() -> None:
    elsewhere = ScaleDeployment(deployment="web", namespace="other", replicas=1)

    assert _mutation(Action.SCALE_DEPLOYMENT, elsewhere).address.namespace == "other"
    assert str(_mutation(Action.SCALE_DEPLOYMENT, SCALE).address) == "Deployment default/web"


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
    state = _state(Action.SCALE_DEPLOYMENT, SCALE, live)
    mutation = _mutation(Action.SCALE_DEPLOYMENT, SCALE)
    captured = captures.inverse_of(mutation, state, live, shown=state, kept_in="")

    verdict = mutation.handler.judge(SCALE, live_deployment(replicas=5), captured)

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


def test_a_key_with_bytes_for_a_value_is_removed_as_well() -> None:
    live: dict[str, Any] = {
        "kind": "ConfigMap",
        "metadata": {"name": "web"},
        "data": {"a": "1"},
        "binaryData": {"b": "AAE="},
    }
    wanted = UpdateConfigmap(config_map="web", remove=["a", "b", "c"])

    state = _state(Action.UPDATE_CONFIGMAP, wanted, live)

    assert state.before == {"data.a": '"1"', "binaryData.b": '"AAE="', "data.c": ""}
    assert set(state.after.values()) == {""}


@pytest.mark.parametrize("value", ["${abc}", "abcd$", "YWJj\n$"])
def test_a_value_that_is_no_base64_once_it_is_known_is_named_and_not_guessed(value: str) -> None:
    live = {"kind": "Secret", "metadata": {"name": "web"}}
    wanted = msgspec.convert({"secret": "web", "data": {"token": value}}, UpdateSecret)

    with pytest.raises(RefusedError, match=r"data\[token\]: it is no base64") as refused:
        _state(Action.UPDATE_SECRET, wanted, live)

    assert refused.value.error is ErrorType.VALIDATION_ERROR
    assert value not in str(refused.value)


def test_the_rules_of_a_policy_are_replaced_and_not_mixed_with_what_is_there() -> None:
    rules = '{"podSelector": {"matchLabels": {"app": "b"}}, "egress": null}'
    wanted = UpdateNetworkPolicy(networkpolicy="web", rules=rules)

    asked = HANDLERS[Action.UPDATE_NETWORK_POLICY].intend(wanted, {}, Material(stamp="now"))

    assert isinstance(asked, Asked)
    assert asked.form is Form.JSON
    assert asked.body == [
        {"op": "add", "path": "/spec/podSelector", "value": {"matchLabels": {"app": "b"}}},
        {"op": "add", "path": "/spec/egress", "value": None},
    ]


def test_a_variable_that_stands_there_twice_is_not_set_in_the_place_that_nobody_reads() -> None:
    live = live_deployment()
    twice = [{"name": "LOG_LEVEL", "value": "info"}, {"name": "LOG_LEVEL", "value": "warn"}]
    live["spec"]["template"]["spec"]["containers"][0]["env"] = twice
    wanted = EnableDebugMode(deployment="web", container="app")

    with pytest.raises(RefusedError, match="container app sets LOG_LEVEL 2 times") as refused:
        _state(Action.ENABLE_DEBUG_MODE, wanted, live)

    assert refused.value.error is ErrorType.VALIDATION_ERROR


@pytest.mark.parametrize("namespace", ["", "there"])
def test_the_undo_of_a_manifest_is_about_the_object_of_the_manifest(namespace: str) -> None:
    manifest = "{apiVersion: v1, kind: ConfigMap, metadata: {name: web, namespace: elsewhere}}"
    wanted = ApplyManifest(manifest=manifest, namespace=namespace)
    undo = HANDLERS[Action.APPLY_MANIFEST].undo
    assert undo is not None

    named, back = undo(wanted, State(before={}, after={"data.a": "1"}))

    assert target_of(named, back, "default") == target_of(Action.APPLY_MANIFEST, wanted, "default")
