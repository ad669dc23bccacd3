"""No execution is created before the safety policies said yes to it, and that is on record."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.services import Services
from tests.support.world import World, diamond_case, rollback_case

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster
    from shared.bus.embedded import EmbeddedServer


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({}, id="with conditions"),
        pytest.param({"MENDFLOW_ENABLE_VALIDATION_FRAMEWORK": "false"}, id="without conditions"),
    ],
)
def test_every_execution_forward_and_back_was_judged_before_it_was_created(
    cluster: "LocalCluster",
    nats_server: "EmbeddedServer",
    tmp_path: Path,
    environment: Mapping[str, str],
) -> None:
    world = World(cluster, f"judged-first-{len(environment)}", [diamond_case(), rollback_case()])
    world.prepare()

    with Services(
        kubeconfig=cluster.kubeconfig,
        nats_url=nats_server.url,
        namespace=world.kubectl.namespace,
        logs=tmp_path,
        environment=environment,
    ):
        world.begin()
        world.finish()

    kinds = [each["spec"]["kind"] for each in world.kubectl.items("kex")]
    assert (kinds.count("forward"), kinds.count("rollback")) == (7, 2)
    assert world.trail.unjudged() == []
