"""With whose rights an execution acts on targets."""

from shared.api.execution import KubernetesExecution
from shared.kube.port import TargetCluster
from shared.worker.context import Context


def targets_for(context: Context, execution: KubernetesExecution) -> TargetCluster:
    """Return the API server with the rights of the action of an execution.

    What undoes a step acts with the rights of the step: whoever may do may also undo.
    """
    return context.acting_as(execution.metadata.namespace)
