"""scale_deployment: an absolute replica count, undone by the count before."""

from services.executor.actions import rollouts
from services.executor.core.changes import Address, Change, Done, Object, Verdict
from shared.api.enums import Action
from shared.api.execution import CapturedInverse
from shared.api.groups import DEPLOYMENT
from shared.api.parameters import ScaleDeployment
from shared.api.results import ScaleResult, StepResult
from shared.effects.catalogue import with_parameters

_REPLICAS = "spec.replicas"


def address(parameters: ScaleDeployment, namespace: str) -> Address:
    """Return the Deployment to scale."""
    return Address(
        kind=DEPLOYMENT, name=parameters.deployment, namespace=parameters.namespace or namespace
    )


def observe(parameters: ScaleDeployment, live: Object) -> dict[str, str]:
    """Return the live values of the owned fields."""
    del parameters
    return {_REPLICAS: str(live["spec"].get("replicas", 1))}


def render(parameters: ScaleDeployment, live: Object, *, stamp: str) -> Change:
    """Return the patch of the replica count and its inverse."""
    del stamp
    before = int(live["spec"].get("replicas", 1))
    return Change(
        patch={"spec": {"replicas": parameters.wanted}},
        before={_REPLICAS: str(before)},
        after={_REPLICAS: str(parameters.wanted)},
        rollback_action=Action.SCALE_DEPLOYMENT,
        rollback_parameters=with_parameters(
            Action.SCALE_DEPLOYMENT,
            ScaleDeployment(
                deployment=parameters.deployment,
                namespace=parameters.namespace,
                replicas=before,
            ),
        ),
    )


def judge(parameters: ScaleDeployment, live: Object, captured: CapturedInverse | None) -> Verdict:
    """Say whether the Deployment has the asked replicas, all available."""
    waiting = rollouts.unsettled(live)
    if waiting is not None:
        return waiting
    before = int(captured.before.get(_REPLICAS, "0")) if captured else 0
    return Done(
        result=StepResult(
            success=True,
            scale_result=ScaleResult(previous_replicas=before, new_replicas=parameters.wanted),
        )
    )
