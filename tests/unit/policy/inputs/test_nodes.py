"""Which nodes take pods, and how much room is on them."""

from fractions import Fraction

import pytest

from shared.policy.inputs import nodes
from shared.policy.inputs.capacity import Amount, free, requested, reserved
from tests.support.raw_objects import Object, container, node, pod

GIB = 2**30
TAINT = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("toleration", "takes"),
    [
        (None, False),
        ({"operator": "Exists"}, True),
        ({"key": "gpu", "operator": "Exists"}, True),
        ({"key": "gpu", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "gpu", "value": "yes"}, True),
        ({"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}, True),
        ({"key": "gpu", "value": "no"}, False),
        ({"key": "cpu", "value": "yes"}, False),
    ],
)
def test_a_taint_keeps_off_what_does_not_tolerate_it(
    toleration: Object | None, takes: bool
) -> None:
    spec = {"tolerations": [toleration]} if toleration else {}

    assert nodes.takes(node(taints=[TAINT]), spec) is takes


def test_a_taint_that_only_prefers_keeps_nobody_off() -> None:
    assert nodes.takes(node(taints=[{"key": "gpu", "effect": "PreferNoSchedule"}]), {})


def test_only_ready_nodes_that_are_not_cordoned_take_pods() -> None:
    assert nodes.takes(node(), {})
    assert not nodes.takes(node(ready=False), {})
    assert not nodes.takes(node(cordoned=True), {})
    assert not nodes.takes({"metadata": {"name": "bare"}}, {})


def test_the_node_selector_asks_for_all_its_labels() -> None:
    fast = node(labels={"disk": "ssd", "zone": "a"})

    assert nodes.matches(fast, {})
    assert nodes.matches(fast, {"nodeSelector": {"disk": "ssd", "zone": "a"}})
    assert not nodes.matches(fast, {"nodeSelector": {"disk": "ssd", "zone": "b"}})


@pytest.mark.parametrize("role", ["control-plane", "controlplane", "master"])
def test_the_control_plane_is_known_by_its_label_not_by_its_name(role: str) -> None:
    assert nodes.is_control_plane(node(labels={f"node-role.kubernetes.io/{role}": ""}))
    assert not nodes.is_control_plane(node("control-plane-1"))


def test_a_pod_needs_what_runs_at_once() -> None:
    spec = {
        "containers": [container("500m", "256Mi"), container("250m")],
        "initContainers": [
            container("100m", "64Mi", restartPolicy="Always"),
            container("200m", "1Gi"),
        ],
        "overhead": {"cpu": "10m"},
    }

    assert requested(spec) == Amount(Fraction(860, 1000), Fraction(GIB + 64 * 2**20))


def test_what_a_pod_asks_as_a_whole_wins() -> None:
    spec = {"containers": [container("1", "1Gi")], "resources": {"requests": {"cpu": "2"}}}

    assert requested(spec) == Amount(Fraction(2), Fraction(GIB))


def test_pods_that_ended_or_have_no_node_hold_nothing() -> None:
    asks = [container("1", "1Gi")]
    pods = [
        pod("a", containers=asks),
        pod("b", containers=asks, phase="Pending"),
        pod("c", containers=asks, phase="Succeeded"),
        pod("d", containers=asks, phase="Failed"),
        pod("e", containers=asks, on=""),
    ]

    assert reserved(pods) == {"n1": Amount(Fraction(2), Fraction(2 * GIB))}


def test_room_is_the_sum_over_nodes_that_take_pods_and_the_largest_gap() -> None:
    cluster = [
        node("n1", cpu="4", memory="8388608Ki"),
        node("n2", cpu="2000m", memory="16Gi"),
        node("n3", cpu="64", cordoned=True),
        node("n4", cpu="64", ready=False),
        node("n5", cpu="64", taints=[TAINT]),
    ]
    held = {"n1": Amount(Fraction(3), Fraction(GIB)), "n2": Amount(Fraction(1, 2), Fraction(0))}

    room = free(cluster, held, {})

    assert room.total == Amount(Fraction(5, 2), Fraction(23 * GIB))
    assert room.largest_gap == Amount(Fraction(3, 2), Fraction(16 * GIB))


def test_an_overcommitted_node_takes_nothing_from_others() -> None:
    held = {"n1": Amount(Fraction(9), Fraction(GIB))}

    room = free([node("n1", cpu="4"), node("n2", cpu="1")], held, {})

    assert room.total.cpu == 1


def test_a_node_that_says_nothing_has_no_room() -> None:
    silent = node()
    del silent["status"]["allocatable"]

    assert free([silent], {}, {}).total == Amount()
