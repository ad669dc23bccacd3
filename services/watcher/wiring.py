"""Builds a watcher from its context: one of its replicas publishes, the others stand by."""

from services.watcher.service import Watcher
from shared.kube.lease import Election
from shared.worker.context import Context


def build(context: Context) -> Watcher:
    """Return a watcher that takes part in the election of its namespace."""
    election = Election(
        context.cluster,
        namespace=context.system_namespace,
        name=f"mendflow-watcher{'-' + context.namespace if context.namespace else ''}",
        identity=context.identity,
        clock=context.clock,
    )
    return Watcher(context, election)
