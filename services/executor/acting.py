"""With whose rights an execution acts on targets."""

from shared.api.enums import Action
from shared.api.execution import KubernetesExecution
from shared.effects.catalogue import canonical
from shared.effects.identities import account_of, user_of
from shared.kube.port import TargetCluster
from shared.worker.context import Context


def targets_for(context: Context, execution: KubernetesExecution) -> TargetCluster:
    """Return the API server with the rights of the action of an execution.

    What undoes a step acts with the rights of the step: whoever may do may also undo.
    """
    spec = execution.spec
    undone = spec.rollback_of.action if spec.rollback_of is not None else ""
    # What is no action of this version ends without a request; this account may make none.
    action = canonical(undone or spec.action) or Action.NOTIFY_ONLY
    return context.acting_as(user_of(execution.metadata.namespace, account_of(action)))
