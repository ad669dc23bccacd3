"""Which pods a drain evicts, which it leaves alone, and which forbid it."""

from typing import Any

import pytest

from services.executor.core import draining
from services.executor.core.changes import RefusedError
from services.executor.core.pods import MIRROR_ANNOTATION
from shared.api.actions.nodes import DrainNode
from shared.api.enums import ErrorType
from shared.kube.port import Object
from tests.unit.executor.crowd import STARTED, leaving, of_kind, pod

DAEMON = of_kind("DaemonSet")
DATA: dict[str, Any] = {"volumes": [{"name": "d", "emptyDir": {}}, {"name": "c", "configMap": {}}]}
CORDON_TOLERATED: dict[str, Any] = {
    "tolerations": [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]
}
EVERYTHING_TOLERATED: dict[str, Any] = {"tolerations": [{"operator": "Exists"}]}
OTHER_TOLERATED: dict[str, Any] = {"tolerations": [{"key": "gpu", "operator": "Exists"}]}


def mirror(name: str) -> Object:
    found = pod(name, owner=of_kind("Node"))
    found["metadata"]["annotations"] = {MIRROR_ANNOTATION: "hash"}
    return found


def selected(*items: Object, **parameters: bool) -> draining.Selection:
    return draining.select(items, DrainNode(node="n1", **parameters), started=STARTED)


def names(selection: draining.Selection) -> list[str]:
    return [each["metadata"]["name"] for each in selection.to_evict]


@pytest.mark.parametrize(
    ("item", "called"),
    [
        pytest.param(mirror("m"), "mirror pod", id="mirror"),
        pytest.param(pod("d", owner=DAEMON), "DaemonSet pod", id="DaemonSet"),
        pytest.param(pod("s", phase="Succeeded"), "finished pod", id="succeeded"),
        pytest.param(pod("f", phase="Failed", owner=None), "finished pod", id="failed, unmanaged"),
        pytest.param(pod("t", age_s=0, **CORDON_TOLERATED), "pod that came back", id="cordon"),
        pytest.param(pod("e", age_s=0, **EVERYTHING_TOLERATED), "pod that came back", id="all"),
    ],
)
def test_left_alone(item: Object, called: str) -> None:
    selection = selected(item, pod("web"))

    assert names(selection) == ["web"]
    assert selection.left_alone == {called: 1}


@pytest.mark.parametrize(
    "item",
    [
        pytest.param(pod("p", phase="Pending"), id="pending"),
        pytest.param(pod("p", ready=False), id="not ready"),
        pytest.param(pod("p", owner=of_kind("Job")), id="of a Job"),
        pytest.param(pod("p", **EVERYTHING_TOLERATED), id="tolerates all, and was there before"),
        pytest.param(pod("p", age_s=0, **OTHER_TOLERATED), id="came before the cordon"),
        pytest.param(leaving(pod("p", owner=None)), id="unmanaged, but leaving already"),
        pytest.param(leaving(pod("p", **DATA)), id="with data, but leaving already"),
    ],
)
def test_evicted(item: Object) -> None:
    assert names(selected(item)) == ["p"]


@pytest.mark.parametrize(
    ("item", "parameter", "allowed"),
    [
        pytest.param(pod("p", owner=None), "force=true", {"force": True}, id="no controller"),
        pytest.param(
            pod("p", owner=of_kind("ReplicaSet") | {"controller": False}),
            "force=true",
            {"force": True},
            id="owned, but not controlled",
        ),
        pytest.param(
            pod("p", **DATA), "deleteLocalData=true", {"delete_local_data": True}, id="emptyDir"
        ),
    ],
)
def test_refused_until_allowed(item: Object, parameter: str, allowed: dict[str, bool]) -> None:
    with pytest.raises(RefusedError, match=parameter) as refused:
        selected(item)

    assert refused.value.error is ErrorType.VALIDATION_ERROR
    assert "shop/p" in str(refused.value)
    assert names(selected(item, **allowed)) == ["p"]


def test_daemon_set_pods_forbid_it_where_they_are_not_to_be_ignored() -> None:
    with pytest.raises(RefusedError, match=r"ignoreDaemonSets=true .*\(shop/d\)"):
        selected(pod("d", owner=DAEMON), ignore_daemon_sets=False)


def test_a_finished_pod_of_a_daemon_set_forbids_nothing() -> None:
    done = pod("d", owner=DAEMON, phase="Failed")

    assert selected(done, ignore_daemon_sets=False).left_alone == {"finished pod": 1}


def test_all_reasons_are_told_at_once_and_a_few_names_each() -> None:
    items = [pod(f"bare-{number}", owner=None) for number in range(5)] + [pod("data", **DATA)]

    with pytest.raises(RefusedError) as refused:
        selected(*items)

    assert str(refused.value) == (
        "node n1 is not drained: set force=true to evict pods that nobody brings back "
        "(shop/bare-0, shop/bare-1, shop/bare-2 and 2 more); "
        "set deleteLocalData=true to lose the data in emptyDir volumes (shop/data)"
    )


def test_the_outcome_names_what_was_left_alone() -> None:
    selection = selected(
        pod("web"), pod("d1", owner=DAEMON), pod("d2", owner=DAEMON), pod("f", phase="Failed")
    )

    assert draining.outcome("n1", selection, evicted=1) == (
        "evicted 1 of 4 pods of node n1 (2 DaemonSet pods, 1 finished pod left alone)"
    )
    assert draining.outcome("n2", selected(pod("web")), evicted=1) == (
        "evicted 1 of 1 pods of node n2"
    )
