"""Requests to people, kept on the API server: for approval, and to be told something.

Names are derived from the workflow, so asking twice is asking once. A name that is still
held by an earlier workflow of the same name becomes free when the garbage collector comes.
"""

from shared.api.approval import AIApprovalRequest, ApprovalStatus
from shared.api.groups import AI_APPROVAL_REQUEST, NOTIFICATION_REQUEST, Kind
from shared.api.notification import NotificationRequest
from shared.errors import AlreadyExistsError, ConflictError
from shared.kube.apply import to_json
from shared.kube.objects import T, decoded, new_body, swap_status
from shared.kube.port import Cluster


class ApprovalStore:
    """Reads, creates and answers requests for approval."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def fetch(self, namespace: str, name: str) -> AIApprovalRequest | None:
        """Return the live request, or None. Raises ContractError when it cannot be decoded."""
        raw = await self._cluster.read(AI_APPROVAL_REQUEST, name, namespace=namespace)
        return None if raw is None else decoded(raw, AIApprovalRequest)

    async def create(self, request: AIApprovalRequest) -> AIApprovalRequest:
        """Create a request, or return the one of that name that the same workflow has.

        Raises:
            ConflictError: when the name is held by another workflow, for now.
        """
        return await _created(self._cluster, AI_APPROVAL_REQUEST, request)

    async def decide(self, request: AIApprovalRequest, status: ApprovalStatus) -> AIApprovalRequest:
        """Swap in an answer on the version that was read.

        Raises:
            ConflictError: when somebody answered first; read again.
            PermanentError: when the API server refuses it.
            NotFoundError: when the request is gone.
        """
        raw = await swap_status(
            self._cluster,
            AI_APPROVAL_REQUEST,
            request.metadata,
            raw=to_json(request.status),
            before=request.status,
            after=status,
        )
        return decoded(raw, AIApprovalRequest)


class NotificationStore:
    """Leaves messages for people; delivering them is somebody else's work."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def create(self, request: NotificationRequest) -> NotificationRequest:
        """Create a message, or return the one of that name that the same workflow has.

        Raises:
            ConflictError: when the name is held by another workflow, for now.
        """
        return await _created(self._cluster, NOTIFICATION_REQUEST, request)


async def _created(cluster: Cluster, kind: Kind, request: T) -> T:
    body = new_body(request)
    meta = body["metadata"]
    try:
        raw = await cluster.create(kind, body, namespace=meta["namespace"])
    except AlreadyExistsError as error:
        found = await cluster.read(kind, meta["name"], namespace=meta["namespace"])
        if found is None or _owners(found["metadata"]) != _owners(meta):
            message = f"{kind.kind} {meta['name']} belongs to another workflow; it will go"
            raise ConflictError("NameTaken", message) from error
        raw = found
    return decoded(raw, type(request))


def _owners(meta: dict[str, list[dict[str, str]]]) -> set[str]:
    return {owner["uid"] for owner in meta.get("ownerReferences", [])}
