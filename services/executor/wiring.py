"""Builds an executor from its context: its lease, and what it sees of the others'."""

from services.executor.holders import COMPONENT, Holders
from services.executor.service import Executor
from shared.kube.lease import LeaseHolder
from shared.worker.context import Context


def build(context: Context) -> Executor:
    """Return an executor that claims under the identity of this process."""
    replica = context.identity.rsplit("-", 1)[0]
    own = LeaseHolder(
        context.cluster,
        namespace=context.system_namespace,
        name=f"{COMPONENT}-{replica}".lower().replace("_", "-"),
        identity=context.identity,
        component=COMPONENT,
        clock=context.clock,
    )
    holders = Holders(
        context.cluster, own=own, namespace=context.system_namespace, clock=context.clock
    )
    return Executor(context, holders)
