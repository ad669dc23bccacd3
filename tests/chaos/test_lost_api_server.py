"""The API server dies in the middle of requests: nobody acts, then everybody goes on."""

import time
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.kubectl import Object, eventually
from tests.support.workflows import deployment, workflow
from tests.support.world import Case, World, diamond_case, rollback_case

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

APISERVER: Final = "kube-apiserver"
AWAY_S: Final = 2.0
SLOW_S: Final = 240
"""Kubernetes itself waits for up to minutes before it goes on with a rollout."""

pytestmark = pytest.mark.usefixtures("services")


def test_a_killed_api_server_changes_nothing(cluster: "LocalCluster") -> None:
    world = World(cluster, "no-api", [diamond_case(), rollback_case()])
    world.prepare()

    world.begin()
    world.trail.wait_for(16)
    _lose_api_server(cluster, world)

    world.finish(seconds=SLOW_S)


def test_a_claim_outlives_the_api_server(cluster: "LocalCluster") -> None:
    waiting = Case(
        body=workflow("waiting", [_wait_for("late")]),
        phases=["Executing", "Completed"],
        steps={"a": "Completed"},
        executions={"forward/a/1": "Completed"},
        effects={},
    )
    world = World(cluster, "no-api-while-waiting", [waiting])
    world.prepare()

    world.begin()
    eventually(lambda: {"items": world.kubectl.items("kex")}, _is_claimed)
    _lose_api_server(cluster, world)
    world.kubectl.apply(deployment("late"))

    world.finish()


def _is_claimed(executions: Object) -> bool:
    return any(each.get("status", {}).get("claimedBy") for each in executions["items"])


def _lose_api_server(cluster: "LocalCluster", world: World) -> None:
    cluster.kill(APISERVER)
    world.trail.has_gaps = True
    time.sleep(AWAY_S)
    cluster.restart(APISERVER)


def _wait_for(target: str) -> Object:
    parameters = {
        "targetResource": {"kind": "Deployment", "name": target},
        "condition": "DeploymentAvailable",
    }
    return {
        "name": "a",
        "action": "wait_for_condition",
        "parameters": {"waitForCondition": parameters},
    }
