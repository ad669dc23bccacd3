"""The NetworkPolicy around a pod in quarantine: made before its label, removed after it.

It selects the one pod by the label that holds its uid, lets nothing in, and lets only DNS
out. It belongs to the pod, and goes with it.
"""

from typing import Final

from services.executor.core.changes import RefusedError
from services.executor.ledger import LedgerCluster
from shared.api.enums import ErrorType
from shared.api.groups import NETWORK_POLICY, POD
from shared.api.meta import QUARANTINE_LABEL
from shared.errors import AlreadyExistsError, ConflictError, NotFoundError
from shared.kube.port import Object
from shared.workflow.names import fitting

_DNS: Final = 53
_LONGEST_NAME: Final = 253


class Quarantine:
    """The policy around one pod."""

    def __init__(self, cluster: LedgerCluster, *, pod: str, namespace: str) -> None:
        self._cluster = cluster
        self._pod = pod
        self._namespace = namespace
        self._name = policy_name(pod)

    async def close(self) -> None:
        """Make the policy; one that is there already serves.

        Raises:
            RefusedError: when there is no such pod, or the name is taken by another policy.
        """
        pod = await self._cluster.read(POD, self._pod, namespace=self._namespace)
        if pod is None:
            message = f"Pod {self._namespace}/{self._pod} does not exist"
            raise RefusedError(ErrorType.RESOURCE_NOT_FOUND, message)
        known = await self._read()
        if known is not None:
            self._require_own(known, pod["metadata"]["uid"])
            return
        try:
            await self._cluster.create(
                NETWORK_POLICY, policy(self._name, pod), namespace=self._namespace
            )
        except AlreadyExistsError:
            await self.close()

    async def open(self, uid: str) -> None:
        """Remove the policy around the pod of that uid, if it is there."""
        known = await self._read()
        if known is None or not _is_around(known, uid):
            return
        try:
            await self._cluster.delete(
                NETWORK_POLICY, self._name, uid=known["metadata"]["uid"], namespace=self._namespace
            )
        except (NotFoundError, ConflictError):
            return

    async def _read(self) -> Object | None:
        return await self._cluster.read(NETWORK_POLICY, self._name, namespace=self._namespace)

    def _require_own(self, known: Object, uid: str) -> None:
        if not _is_around(known, uid):
            message = f"NetworkPolicy {self._name} is in the way; it is not about this pod"
            raise RefusedError(ErrorType.RESOURCE_CONFLICT, message, reason="NameCollision")


def policy_name(pod: str) -> str:
    """Return the name of the policy around a pod of that name."""
    return fitting(f"quarantine-{pod}", longest=_LONGEST_NAME, of=pod)


def policy(name: str, pod: Object) -> Object:
    """Return the policy around a pod."""
    uid = pod["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "Pod", "name": pod["metadata"]["name"], "uid": uid}
    dns = [{"protocol": protocol, "port": _DNS} for protocol in ("UDP", "TCP")]
    return {
        "apiVersion": NETWORK_POLICY.api_version,
        "kind": NETWORK_POLICY.kind,
        "metadata": {"name": name, "ownerReferences": [owner]},
        "spec": {
            "podSelector": {"matchLabels": {QUARANTINE_LABEL: uid}},
            "policyTypes": ["Ingress", "Egress"],
            "egress": [{"ports": dns}],
        },
    }


def _is_around(known: Object, uid: str) -> bool:
    return any(owner["uid"] == uid for owner in known["metadata"].get("ownerReferences", []))
