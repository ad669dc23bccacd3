"""restart_deployment: a rolling restart by the template annotation that kubectl uses.

The stamp is the start of the execution, so a repeated write changes nothing. Not undone:
pods that were replaced do not come back.
"""

from services.executor.actions import rollouts
from services.executor.core.changes import Address, Change, Done, Object, Verdict
from shared.api.execution import CapturedInverse
from shared.api.groups import DEPLOYMENT
from shared.api.parameters import RestartDeployment
from shared.api.results import RestartResult, StepResult

_ANNOTATION = "kubectl.kubernetes.io/restartedAt"
_PATH = f"spec.template.metadata.annotations[{_ANNOTATION}]"


def address(parameters: RestartDeployment, namespace: str) -> Address:
    """Return the Deployment to restart."""
    return Address(
        kind=DEPLOYMENT, name=parameters.deployment, namespace=parameters.namespace or namespace
    )


def observe(parameters: RestartDeployment, live: Object) -> dict[str, str]:
    """Return the live value of the owned annotation."""
    del parameters
    metadata = live["spec"]["template"].get("metadata", {})
    return {_PATH: metadata.get("annotations", {}).get(_ANNOTATION, "")}


def render(parameters: RestartDeployment, live: Object, *, stamp: str) -> Change:
    """Return the patch of the template annotation."""
    return Change(
        patch={"spec": {"template": {"metadata": {"annotations": {_ANNOTATION: stamp}}}}},
        before=observe(parameters, live),
        after={_PATH: stamp},
    )


def judge(parameters: RestartDeployment, live: Object, captured: CapturedInverse | None) -> Verdict:
    """Say whether all pods were replaced."""
    del parameters, captured
    waiting = rollouts.unsettled(live)
    if waiting is not None:
        return waiting
    replaced = live.get("status", {}).get("updatedReplicas", 0)
    return Done(
        result=StepResult(success=True, restart_result=RestartResult(pods_restarted=replaced))
    )
