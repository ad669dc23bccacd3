"""What is read from a pod and its controller."""

from datetime import timedelta
from typing import Any

import pytest

from services.executor.core import pods
from services.executor.core.pods import Owner
from tests.unit.executor.crowd import STARTED, WEB, leaving, of_kind, pod

OWNER = Owner(kind="ReplicaSet", name="web", uid="rs-web")


@pytest.mark.parametrize(
    ("live", "wanted"),
    [
        pytest.param({"spec": {"replicas": 0}}, 0, id="none"),
        pytest.param({"spec": {}}, 1, id="not said"),
        pytest.param({"spec": {}, "status": {"desiredNumberScheduled": 7}}, 7, id="DaemonSet"),
    ],
)
def test_a_controller_wants(live: dict[str, Any], wanted: int) -> None:
    assert pods.wanted_by(live) == wanted


def test_a_pod_belongs_to_its_controller_and_to_no_other_owner() -> None:
    assert pods.owner_of(pod("web-0")) == OWNER
    assert pods.owner_of(pod("web-0", owner=WEB | {"controller": False})) is None
    assert pods.owner_of(pod("web-0", owner=None)) is None
    assert (
        pods.owned([pod("a"), pod("b", phase="Failed"), pod("c", owner=of_kind("Job"))], OWNER)[1:]
        == []
    )


def test_a_pod_of_the_second_in_which_the_step_began_is_an_old_one() -> None:
    same = pod("web-0", age_s=30)

    assert pods.is_older(same, STARTED)
    assert pods.is_older(same, STARTED + timedelta(milliseconds=1))
    assert not pods.is_older(same, STARTED - timedelta(milliseconds=1))


@pytest.mark.parametrize(
    ("its", "lacking"),
    [
        pytest.param([pod("a"), pod("b")], "", id="nothing"),
        pytest.param([pod("a")], "1 of 2 pods to be created in its place", id="one"),
        pytest.param([pod("a"), leaving(pod("b"))], "shop/b to end", id="ending"),
        pytest.param(
            [pod("a"), pod("b"), leaving(pod("c"))], "shop/c to end", id="ending, and replaced"
        ),
        pytest.param([pod("a"), pod("b", ready=False)], "shop/b to be ready", id="not ready"),
        pytest.param([pod("a", ready=False), pod("b")], "", id="not ready, but so before"),
        pytest.param([pod("a"), pod("b"), pod("c")], "", id="one more than wanted"),
    ],
)
def test_what_a_controller_lacks(its: list[dict[str, Any]], lacking: str) -> None:
    assert pods.missing(its, there_before=frozenset({"uid-a"}), wanted=2) == lacking


@pytest.mark.parametrize(
    ("names", "told"),
    [([], ""), (["b", "a"], "a, b"), (list("dcba"), "a, b, c and 1 more")],
    ids=["none", "two", "four"],
)
def test_a_few_names_are_told(names: list[str], told: str) -> None:
    assert pods.some(names) == told
