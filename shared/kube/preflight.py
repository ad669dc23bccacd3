"""Whether the cluster knows the kinds that are worked with."""

from collections.abc import Sequence

from shared.api.groups import CUSTOM_RESOURCE_DEFINITION, Kind
from shared.kube.port import Cluster, Object


async def missing_crds(cluster: Cluster, kinds: Sequence[Kind]) -> list[str]:
    """Return the names of the CustomResourceDefinitions that are absent or not established."""
    missing = []
    for kind in kinds:
        found = await cluster.read(CUSTOM_RESOURCE_DEFINITION, kind.crd_name)
        if found is None or not _is_established(found):
            missing.append(kind.crd_name)
    return missing


def _is_established(definition: Object) -> bool:
    conditions = definition.get("status", {}).get("conditions", [])
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)
