"""Which pods are looked at for diagnostics."""

from datetime import timedelta

from services.executor.looking import Looking
from services.executor.stop import Stop
from shared.api.groups import DEPLOYMENT, EVENT, POD, Kind
from shared.api.parameters import CollectDiagnostics, TargetResource
from shared.kube.port import Listing
from tests.support.virtual_time import run, virtual_clock
from tests.unit.executor.little_cluster import LittleCluster


class Asked(LittleCluster):
    """Notes what pods are asked for."""

    selector = ""

    async def list(self, kind: Kind, *, namespace: str = "", label_selector: str = "") -> Listing:
        """Return nothing."""
        del namespace
        assert kind in {POD, EVENT}
        if kind is POD:
            self.selector = label_selector
        return Listing(items=[], resource_version="1")


def test_the_pods_of_a_workload_are_those_of_its_whole_selector() -> None:
    async def scenario() -> str:
        cluster, clock = Asked(), virtual_clock()
        expressions = [{"key": "track", "operator": "NotIn", "values": ["canary"]}]
        selector = {"matchLabels": {"app": "web"}, "matchExpressions": expressions}
        meta = {"name": "web", "namespace": "shop", "uid": "d"}
        cluster.put(DEPLOYMENT, {"metadata": meta, "spec": {"selector": selector}})
        deadline = clock.now() + timedelta(seconds=60)
        looking = Looking(cluster, clock=clock, deadline=deadline, stop=Stop())
        target = TargetResource(kind="Deployment", name="web")

        await looking.collect(CollectDiagnostics(target_resource=target), "shop")

        return cluster.selector

    assert run(scenario()) == "app=web,track notin (canary)"
