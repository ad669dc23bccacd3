"""Captures which pods a deletion is about, before it is made: a name alone may come back.

Of a pod that is restarted, it is the controller that stays.
"""

from services.executor.capture import parameters_for
from services.executor.core.pods import Owner, owner_of, uid_of
from shared.api.enums import Intent
from shared.api.execution import CapturedInverse, KubernetesExecution, TargetRef
from shared.api.groups import POD
from shared.api.parameters import DeletePod, RestartPod
from shared.errors import PermanentError
from shared.kube.port import Object, TargetCluster
from shared.kube.selectors import labels_query


async def captured_pods(
    cluster: TargetCluster, execution: KubernetesExecution
) -> CapturedInverse | None:
    """Return what a deletion of pods is about; None where there is nothing to be seen.

    Raises:
        TransientError: when nobody could look.
    """
    parameters = parameters_for(execution)
    if execution.spec.intent is not Intent.RUN:
        return None
    try:
        match parameters:
            case DeletePod():
                namespace = parameters.namespace or execution.metadata.namespace
                pod = await cluster.read(POD, parameters.pod, namespace=namespace)
                return None if pod is None else _target(pod)
            case RestartPod():
                namespace = parameters.namespace or execution.metadata.namespace
                return _controller(await _pods(cluster, parameters, namespace), namespace)
            case _:
                return None
    except PermanentError:
        return None


def owners_in(captured: CapturedInverse | None) -> list[Owner]:
    """Return the controller that was captured, if one was."""
    if captured is None or captured.target is None:
        return []
    target = captured.target
    return [Owner(kind=target.kind, name=target.name, uid=target.uid)]


async def _pods(cluster: TargetCluster, parameters: RestartPod, namespace: str) -> list[Object]:
    if parameters.pod:
        pod = await cluster.read(POD, parameters.pod, namespace=namespace)
        return [] if pod is None else [pod]
    if not parameters.selector:
        return []
    selector = labels_query(parameters.selector)
    return (await cluster.list(POD, namespace=namespace, label_selector=selector)).items


def _target(pod: Object) -> CapturedInverse:
    meta = pod["metadata"]
    return CapturedInverse(
        available=False,
        target=TargetRef(
            kind=POD.kind, name=meta["name"], namespace=meta["namespace"], uid=uid_of(pod)
        ),
        resource_version=meta["resourceVersion"],
    )


def _controller(pods: list[Object], namespace: str) -> CapturedInverse | None:
    owners = {owner for owner in map(owner_of, pods) if owner is not None}
    if len(owners) != 1:
        return None
    (owner,) = owners
    return CapturedInverse(
        available=False,
        target=TargetRef(kind=owner.kind, name=owner.name, namespace=namespace, uid=owner.uid),
    )
