"""What is looked at for diagnostics, and what of it is told."""

from datetime import timedelta

from services.executor.looking import Looking
from services.executor.stop import Stop
from shared.api.groups import DEPLOYMENT, EVENT, POD, Kind
from shared.api.parameters import CollectDiagnostics, TargetResource
from shared.kube.port import Listing
from tests.support.virtual_time import run, virtual_clock
from tests.unit.executor.little_cluster import LittleCluster


class Asked(LittleCluster):
    """Notes what pods are asked for, and warns of the workload."""

    selector = ""
    warning = ""

    async def list(self, kind: Kind, *, namespace: str = "", label_selector: str = "") -> Listing:
        """Return no pods, and one event."""
        del namespace
        if kind is POD:
            self.selector = label_selector
            return Listing(items=[], resource_version="1")
        assert kind is EVENT
        about = {"kind": "Deployment", "name": "web", "uid": "d"}
        event = {"type": "Warning", "involvedObject": about, "message": self.warning}
        return Listing(items=[event], resource_version="1")


async def _looked_at(cluster: Asked) -> str:
    clock = virtual_clock()
    expressions = [{"key": "track", "operator": "NotIn", "values": ["canary"]}]
    selector = {"matchLabels": {"app": "web"}, "matchExpressions": expressions}
    meta = {"name": "web", "namespace": "shop", "uid": "d"}
    cluster.put(DEPLOYMENT, {"metadata": meta, "spec": {"selector": selector}})
    deadline = clock.now() + timedelta(seconds=60)
    looking = Looking(cluster, clock=clock, deadline=deadline, stop=Stop())
    target = TargetResource(kind="Deployment", name="web")
    result = await looking.collect(CollectDiagnostics(target_resource=target), "shop")
    assert result.custom_result is not None
    return result.custom_result.output


def test_the_pods_of_a_workload_are_those_of_its_whole_selector() -> None:
    cluster = Asked()

    run(_looked_at(cluster))

    assert cluster.selector == "app=web,track notin (canary)"


def test_what_a_program_has_put_into_a_warning_is_shown_without_secrets() -> None:
    cluster = Asked()
    cluster.warning = "Readiness probe failed: \x1b[2Jtoken=abcdefgh"

    text = run(_looked_at(cluster))

    assert text.endswith("Readiness probe failed: token=[redacted]")
