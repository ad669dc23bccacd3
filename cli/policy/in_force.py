"""The ConfigMap of policies that a cluster has now."""

import msgspec

from cli.policy.errors import PolicyCommandError
from cli.policy.manifests import ConfigMap
from shared.api.groups import CONFIG_MAP
from shared.clock import SystemClock
from shared.errors import CannotStartError, MendflowError
from shared.kube.client import ApiCluster
from shared.policy.naming import CONFIG_MAP as NAME
from shared.settings import Settings


async def in_force(settings: Settings, *, kubeconfig: str, context: str) -> ConfigMap | None:
    """Return the ConfigMap, or None when there is none.

    Raises:
        PolicyCommandError: the cluster does not say.
    """
    try:
        cluster = await ApiCluster.connect(
            kubeconfig=kubeconfig,
            context=context,
            field_manager="mendflow-cli",
            qps=0,
            burst=1,
            clock=SystemClock(),
        )
        async with cluster:
            found = await cluster.read(CONFIG_MAP, NAME, namespace=settings.system_namespace)
    except (CannotStartError, MendflowError) as error:
        raise PolicyCommandError(f"the policies in force cannot be read: {error}") from error
    return None if found is None else msgspec.convert(found, ConfigMap)
