"""A node that is drained and comes back, and pods that are deleted, as a person asks for it."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import pytest

from deploy.local.nodes import node_name, render_node
from tests.support.control import executions, steps_of
from tests.support.homes import HOME, workload
from tests.support.kubectl import Kubectl, Object, eventually
from tests.support.ledgers import AuditedRequests
from tests.support.namespaces import empty_namespace
from tests.support.services import Services
from tests.support.workflows import workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

NODE: Final = node_name(61)
ENDS: Final = ("Completed", "Failed", "RolledBack", "RollbackFailed")


@pytest.fixture(scope="module", autouse=True)
def audited(cluster: "LocalCluster") -> AuditedRequests:
    """Return what is asked of the API server from now on."""
    return AuditedRequests(cluster.audit_log)


@pytest.fixture(scope="module")
def space(cluster: "LocalCluster") -> Iterator[Kubectl]:
    """Kubectl in a namespace with a Deployment on a node of its own."""
    kubectl = empty_namespace(cluster, "nodes")
    node = render_node(61)
    node["metadata"]["labels"] |= {HOME: kubectl.namespace}
    node["spec"]["taints"] = [{"key": HOME, "value": "nodes", "effect": "NoSchedule"}]
    others = [render_node(number) for number in (62, 63)]
    for other in others:
        other["spec"]["taints"] = [{"key": HOME, "value": "others", "effect": "NoSchedule"}]
    web = workload("Deployment", "web", home=kubectl.namespace, replicas=3)
    items = [node, *others, web]
    kubectl.apply({"apiVersion": "v1", "kind": "List", "items": items})
    kubectl.ok("wait", "deployment/web", "--for=condition=Available", "--timeout=60s")
    yield kubectl
    kubectl.ok("delete", "node", *(node_name(number) for number in (61, 62, 63)))


def test_row_69_a_drained_node_comes_back_and_a_deleted_pod_does_not(
    space: Kubectl, module_services: Services
) -> None:
    del module_services
    pods = [each["metadata"] for each in space.items("pods")]
    gone = pods[0]
    space.apply(
        workflow(
            "drain",
            [
                _step("delete", "delete_pod", {"pod": gone["name"], "gracePeriodSeconds": 0}),
                _step("drain", "drain_node", {"node": NODE}, after="delete"),
                _step("taint", "taint_node", TAINT, after="drain"),
                _step("fail", "delete_pod", {"pod": "no-such-pod"}, after="taint"),
            ],
            rollback="Automatic",
        )
    )

    done = space.wait_phase("drain", *ENDS)

    assert done["status"]["phase"] == "RolledBack", json.dumps(done["status"])
    steps = steps_of(done)
    assert "evicted 3 of 3 pods" in steps["drain"]["result"]["customResult"]["output"]
    assert steps["fail"]["errorType"] == "resource_not_found"
    undone = {each["name"]: each for each in done["status"]["rollback"]["steps"]}
    assert {name: each["phase"] for name, each in undone.items()} == {
        "taint": "Completed",
        "drain": "Completed",
        "delete": "Skipped",
    }
    assert undone["delete"]["reason"] == "Irreversible"
    live = space.get("node", NODE)
    assert "unschedulable" not in live["spec"]
    assert [taint["key"] for taint in live["spec"]["taints"]] == [HOME]
    ready = eventually(lambda: space.get("deployment", "web"), _has_three)
    assert ready["status"]["availableReplicas"] == 3
    uids = {each["uid"] for each in pods}
    assert uids.isdisjoint(each["metadata"]["uid"] for each in space.items("pods"))


def test_each_eviction_stands_in_the_ledger(
    space: Kubectl, module_services: Services, audited: AuditedRequests
) -> None:
    del module_services
    space.apply(workflow("again", [_step("drain", "drain_node", {"node": NODE})]))

    space.wait_phase("again", *ENDS)

    (done,) = executions(space, "again")
    verbs = [each["verb"] for each in done["status"]["effects"]]
    assert verbs == ["patch", "evict", "evict", "evict"]
    assert all(each["answered"] for each in done["status"]["effects"])
    assert done["status"]["progress"].startswith("3 of 3 pods evicted")
    everything = space.items("kex")
    assert audited.differences(space.namespace, everything, others=[NODE], exact=True) == []
    space.ok("uncordon", NODE)


TAINT: Final = {"node": NODE, "key": "maintenance", "effect": "PreferNoSchedule"}


def _step(name: str, action: str, parameters: Object, *, after: str = "") -> Object:
    first, *rest = action.split("_")
    key = first + "".join(word.capitalize() for word in rest)
    step = {"name": name, "action": action, "parameters": {key: parameters}}
    return step | ({"dependsOn": [after]} if after else {})


def _has_three(live: Object) -> bool:
    return bool(live.get("status", {}).get("availableReplicas") == 3)
