"""The input of conditions: every key of the documented table, and none that reads as fine."""

import msgspec
import pytest

from shared.api.parameters import NotifyOnly, Parameters, RestartDeployment, ScaleDeployment
from shared.errors import PermanentError
from shared.policy.inputs.bounds import MAX_BYTES
from shared.policy.inputs.capacity import reserved
from shared.policy.inputs.conditions import Room, Seen, condition_input
from shared.policy.inputs.targets import asked
from tests.support.raw_objects import container, deployment, node, pod, waiting

SCALE = asked(
    "ScaleDeployment",
    Parameters(scale_deployment=ScaleDeployment(deployment="web", replicas=5)),
    namespace="default",
)
RESTART = asked(
    "restart_deployment",
    Parameters(restart_deployment=RestartDeployment(deployment="web")),
    namespace="default",
)
NOTIFY = asked("notify_only", Parameters(notify_only=NotifyOnly(message="hi")), namespace="default")
OF_CAPACITY = {
    "ready_nodes",
    "matching_nodes",
    "available_cpu",
    "available_memory",
    "largest_gap_cpu",
    "largest_gap_memory",
}
OF_SECRETS = {"image_pull_secrets_exist", "image_pull_secrets_valid", "invalid_secrets"}


def test_a_scale_sees_its_deployment_and_the_room_for_more() -> None:
    live = deployment(replicas=2, conditions={"Available": "True", "Progressing": "True"})
    pods = [pod("web-1", containers=[container("500m", "512Mi")])]
    nodes = [node("n1", memory="8388608Ki"), node("n2", labels={"disk": "ssd"})]
    room = Room(nodes=nodes, held=reserved(pods))

    seen = Seen(deployment=live, baseline=2, pods=pods, room=room)

    data = condition_input(SCALE, seen, namespace="default")

    assert data == {
        "action": "scale_deployment",
        "parameters": {"deployment": "web", "namespace": "", "replicas": 5},
        "namespace": "default",
        "deployment_name": "web",
        "deployment_found": True,
        "current_replicas": 2,
        "expected_baseline": 2,
        "target_replicas": 5,
        "additional_replicas": 3,
        "conditions": {"Available": True, "Progressing": True, "ReplicaFailure": False},
        "deployment_available": True,
        "pods": [{"name": "web-1", "status": "Running", "oom_killed": False}],
        "pods_total": 1,
        "running_pods": 1,
        "ready_pods": 1,
        "required_cpu_per_pod": "500m",
        "required_memory_per_pod": str(512 * 2**20),
        "ready_nodes": 2,
        "matching_nodes": 2,
        "available_cpu": "7500m",
        "available_memory": str(16 * 2**30 - 512 * 2**20),
        "largest_gap_cpu": "4000m",
        "largest_gap_memory": str(8 * 2**30),
    }


def test_a_deployment_that_is_not_there_is_not_found_and_needs_nothing_known() -> None:
    data = condition_input(SCALE, Seen(deployment=None, pods=[]), namespace="default")

    assert data["deployment_found"] is False
    assert (data["deployment_name"], data["namespace"]) == ("web", "default")
    assert data["pods"] == []
    assert (data["current_replicas"], data["additional_replicas"]) == (0, 5)
    assert not any(data["conditions"].values())
    assert not {"required_cpu_per_pod", "required_memory_per_pod"} & data.keys()


def test_fewer_replicas_need_no_room() -> None:
    seen = Seen(deployment=deployment(replicas=9), pods=[])

    assert condition_input(SCALE, seen, namespace="default")["additional_replicas"] == 0


def test_row_79_the_replicas_that_a_step_expects_are_the_baseline() -> None:
    expecting = asked(
        "scale_deployment",
        Parameters(
            scale_deployment=ScaleDeployment(deployment="web", replicas=5, expected_replicas=3)
        ),
        namespace="default",
    )
    seen = Seen(deployment=deployment(replicas=2), baseline=2, pods=[])

    data = condition_input(expecting, seen, namespace="default")

    assert (data["current_replicas"], data["expected_baseline"]) == (2, 3)


def test_row_79_else_it_is_what_was_noted_at_planning() -> None:
    noted = Seen(deployment=deployment(replicas=5), baseline=2, pods=[])
    nothing = Seen(deployment=deployment(replicas=5), pods=[])

    assert condition_input(SCALE, noted, namespace="default")["expected_baseline"] == 2
    assert "expected_baseline" not in condition_input(SCALE, nothing, namespace="default")


def test_what_does_not_scale_keeps_its_replicas() -> None:
    data = condition_input(RESTART, Seen(deployment=deployment(), pods=[]), namespace="default")

    assert (data["target_replicas"], data["additional_replicas"]) == (2, 0)


def test_what_is_about_no_object_sees_no_deployment() -> None:
    data = condition_input(NOTIFY, Seen(deployment=None, pods=[]), namespace="default")

    assert (data["deployment_name"], data["deployment_found"]) == ("", False)
    assert data["namespace"] == "default"


def test_what_was_not_looked_at_has_no_key() -> None:
    data = condition_input(SCALE, Seen(deployment=deployment(), pods=[]), namespace="default")

    assert not (OF_CAPACITY | OF_SECRETS) & data.keys()


def test_nodes_that_match_the_selector_are_counted_and_those_that_take_pods() -> None:
    spec = {"containers": [container()], "nodeSelector": {"disk": "ssd"}}
    nodes = [
        node("n1", labels={"disk": "ssd"}),
        node("n2", labels={"disk": "ssd"}, cordoned=True),
        node("n3"),
        node("n4", labels={"disk": "ssd"}, ready=False),
    ]
    seen = Seen(deployment=deployment(pod_spec=spec), pods=[], room=Room(nodes=nodes, held={}))

    data = condition_input(SCALE, seen, namespace="default")

    assert (data["matching_nodes"], data["ready_nodes"]) == (3, 1)


@pytest.mark.parametrize(
    ("types", "exist", "invalid"),
    [
        ({}, True, []),
        ({"a": "kubernetes.io/dockerconfigjson", "b": "kubernetes.io/dockercfg"}, True, []),
        ({"a": "Opaque"}, True, ["a"]),
        ({"b": None, "a": "Opaque"}, False, ["a", "b"]),
    ],
)
def test_image_pull_secrets_are_judged_by_existence_and_type(
    types: dict[str, str | None], exist: bool, invalid: list[str]
) -> None:
    seen = Seen(deployment=deployment(), pods=[], pull_secrets=types)

    data = condition_input(SCALE, seen, namespace="default")

    assert data["image_pull_secrets_exist"] is exist
    assert data["image_pull_secrets_valid"] is not bool(invalid)
    assert data["invalid_secrets"] == invalid


def test_image_pull_secrets_that_could_not_be_read_are_neither_there_nor_missing() -> None:
    seen = Seen(deployment=deployment(), pods=[], pull_secrets="no right to get registry")

    data = condition_input(SCALE, seen, namespace="default")

    assert data["image_pull_secrets_unread"] == "no right to get registry"
    assert not OF_SECRETS & data.keys()


def test_the_largest_deployment_stays_within_bounds() -> None:
    pods = [pod(f"{'p' * 240}{n:05}", states=[waiting("x" * 500)]) for n in range(1000)]

    data = condition_input(SCALE, Seen(deployment=deployment(), pods=pods), namespace="default")

    assert len(msgspec.json.encode(data)) < MAX_BYTES


def test_what_is_no_quantity_is_an_error_and_not_an_input() -> None:
    live = deployment(pod_spec={"containers": [container("much")]})

    with pytest.raises(PermanentError, match="'much' is not a quantity"):
        condition_input(SCALE, Seen(deployment=live, pods=[]), namespace="default")


@pytest.mark.parametrize("action", ["dance", "scale_deployment"])
def test_an_action_without_meaning_or_parameters_is_an_error(action: str) -> None:
    with pytest.raises(PermanentError):
        asked(action, Parameters(), namespace="default")
