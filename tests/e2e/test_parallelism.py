"""At most five steps of a workflow at once; what waits starts in plan order."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.kubectl import Kubectl, eventually
from tests.support.namespaces import empty_namespace
from tests.support.services import Services
from tests.support.watching import ExecutionWatch
from tests.support.workflows import deployment, wait_available, workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster
    from shared.bus.embedded import EmbeddedServer

LIMIT = 5
STEPS = [f"s{number}" for number in range(10)]


def test_ten_independent_steps_run_five_at_a_time_in_plan_order(
    cluster: "LocalCluster", nats_server: "EmbeddedServer", tmp_path: Path
) -> None:
    kubectl = empty_namespace(cluster, "ten-independent")
    services = Services(
        kubeconfig=cluster.kubeconfig,
        nats_url=nats_server.url,
        namespace=kubectl.namespace,
        logs=tmp_path,
    )
    with services, ExecutionWatch(kubectl) as watch:
        # Each step waits for a Deployment of its own: the test says when it ends.
        kubectl.apply(workflow("ten", [wait_available(name, f"t-{name}") for name in STEPS]))
        _until(watch, lambda: len(watch.created) == LIMIT)
        assert set(watch.created) == set(STEPS[:5])
        assert _counts(kubectl) == (5, 5)

        _finish(kubectl, "s1", "s3")
        _until(watch, lambda: len(watch.created) == LIMIT + 2)
        assert set(watch.created[5:7]) == {"s5", "s6"}
        assert len(watch.unfinished()) == LIMIT

        _finish(kubectl, "s0")
        _until(watch, lambda: len(watch.created) == LIMIT + 3)
        assert watch.created[7] == "s7"
        _finish(kubectl, "s2", "s4", "s5", "s6", "s7", "s8", "s9")
        done = kubectl.wait_phase("ten", "Completed", "Failed")

    assert done["status"]["phase"] == "Completed"
    assert done["status"]["completedSteps"] == len(STEPS)
    assert sorted(watch.created) == sorted(STEPS)
    assert max(watch.samples) == LIMIT


def _finish(kubectl: Kubectl, *steps: str) -> None:
    for step in steps:
        kubectl.apply(deployment(f"t-{step}"))


def _counts(kubectl: Kubectl) -> tuple[int, int]:
    """Return how many steps hold a token and how many wait for one."""
    status = kubectl.get("wfe", "ten")["status"]
    return status["activeSteps"], status["queuedSteps"]


def _until(watch: ExecutionWatch, holds: Callable[[], bool]) -> None:
    eventually(lambda: {"created": watch.created}, lambda _: holds())
