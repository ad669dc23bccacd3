"""What a restart of pods has left to do, as the live pods and their controllers show it.

Only reads. The pods that were there before the step began are to go; a controller lacks
something as long as one of its pods is ending, is not there yet, or came since and is not ready.
"""

from collections.abc import Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final

import msgspec

from services.executor.core import pods as seen
from services.executor.core.changes import Address, RefusedError
from services.executor.core.pods import Owner
from shared.api.actions.pods import RestartPod
from shared.api.enums import ErrorType
from shared.api.groups import DAEMON_SET, DEPLOYMENT, POD, REPLICA_SET, STATEFUL_SET
from shared.kube.port import Cluster, Object
from shared.kube.selectors import labels_query, pods_query

_OWNERS: Final = MappingProxyType(
    {each.kind: each for each in (REPLICA_SET, STATEFUL_SET, DAEMON_SET)}
)
"""Controllers that say how many pods they want; of others, what they had is taken for it."""


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """What is left to do at one moment."""

    old: tuple[Object, ...]
    """The pods that are still to be replaced."""
    replaced: int
    """How many were told to end, also by an earlier run as far as the pods show it."""
    lacking: str
    """What has to come before the next of them may go."""


class Restart:
    """The pods of one restart."""

    def __init__(
        self,
        cluster: Cluster,
        parameters: RestartPod,
        *,
        namespace: str,
        started: datetime,
        owners: Sequence[Owner] = (),
    ) -> None:
        """Build it; `owners` are controllers that are known from before. Raises RefusedError."""
        seen.refuse_unclear(parameters)
        self._cluster = cluster
        self._parameters = parameters
        self._namespace = namespace
        self._started = started
        self._owners = dict.fromkeys(owners)
        self._old: frozenset[str] | None = None
        self._there_before: dict[Owner, frozenset[str]] = {}
        self._had: dict[Owner, int] = {}
        self._gone: set[Owner] = set()
        self._total = 0

    async def look(self) -> Left:
        """Return what is left to do.

        Raises:
            RefusedError: when a pod is not there at the first look, or would not come back.
        """
        pods = await self._matching()
        if self._old is None:
            self._old = self._first(pods)
        self._owners |= dict.fromkeys(filter(None, map(seen.owner_of, pods)))
        old = [pod for pod in pods if seen.uid_of(pod) in self._old]
        lacking = ""
        for owner in self._owners:
            lacking = lacking or await self._lacking(owner)
        seen.refuse_orphans(old, gone=self._gone)
        leaving = [seen.name_of(pod) for pod in old if seen.is_leaving(pod)]
        if leaving:
            lacking = lacking or f"{seen.some(leaving)} to end"
        replaced = self._total - len(old) + len(leaving)
        return Left(old=tuple(seen.in_order(old)), replaced=replaced, lacking=lacking)

    def _first(self, pods: Sequence[Object]) -> frozenset[str]:
        """Return the uids of what is to be replaced. Raises RefusedError."""
        if not pods and not self._owners and not self._parameters.deployment:
            raise RefusedError(ErrorType.RESOURCE_NOT_FOUND, f"{self._described()} does not exist")
        seen.refuse_unrestartable(pods)
        self._total = len(pods)
        return frozenset(seen.uid_of(pod) for pod in pods if seen.is_older(pod, self._started))

    async def _matching(self) -> list[Object]:
        """Return the pods that the parameters name and that have not finished."""
        parameters, namespace = self._parameters, self._namespace
        if parameters.pod:
            pod = await self._cluster.read(POD, parameters.pod, namespace=namespace)
            return [] if pod is None else [pod]
        if parameters.deployment:
            return await self._of_deployment(parameters.deployment)
        query = labels_query(parameters.selector)
        pods = (await self._cluster.list(POD, namespace=namespace, label_selector=query)).items
        return [pod for pod in pods if not seen.is_finished(pod)]

    async def _of_deployment(self, name: str) -> list[Object]:
        live = await self._cluster.read(DEPLOYMENT, name, namespace=self._namespace)
        if live is None:
            raise RefusedError(ErrorType.RESOURCE_NOT_FOUND, f"{self._described()} does not exist")
        query = pods_query(live)
        sets = await self._cluster.list(
            REPLICA_SET, namespace=self._namespace, label_selector=query
        )
        its = [each for each in sets.items if _is_of(each, live)]
        # One whose only pod is gone for the moment is to be waited for as well.
        self._owners |= {_as_owner(each): None for each in its if seen.wanted_by(each)}
        pods = await self._cluster.list(POD, namespace=self._namespace, label_selector=query)
        return [pod for each in its for pod in seen.owned(pods.items, _as_owner(each))]

    async def _lacking(self, owner: Owner) -> str:
        """Return what a controller lacks before one more of its pods may go."""
        kind, query, wanted = _OWNERS.get(owner.kind), "", None
        if kind is not None:
            live = await self._cluster.read(kind, owner.name, namespace=self._namespace)
            if live is None or seen.uid_of(live) != owner.uid or seen.is_leaving(live):
                self._gone.add(owner)
                return ""
            query, wanted = pods_query(live), seen.wanted_by(live)
        listed = await self._cluster.list(POD, namespace=self._namespace, label_selector=query)
        its = seen.owned(listed.items, owner)
        before = self._there_before.setdefault(
            owner,
            frozenset(seen.uid_of(pod) for pod in its if seen.is_older(pod, self._started)),
        )
        if wanted is None:
            wanted = self._had.setdefault(owner, len(its))
        return seen.missing(its, there_before=before, wanted=wanted)

    def _described(self) -> str:
        parameters, namespace = self._parameters, self._namespace
        if parameters.pod:
            return str(Address(kind=POD, name=parameters.pod, namespace=namespace))
        if parameters.deployment:
            return str(Address(kind=DEPLOYMENT, name=parameters.deployment, namespace=namespace))
        return f"a pod with {labels_query(parameters.selector)} in {namespace}"


def _is_of(replica_set: Object, deployment: Object) -> bool:
    owner = seen.owner_of(replica_set)
    return owner is not None and owner.uid == seen.uid_of(deployment)


def _as_owner(replica_set: Object) -> Owner:
    meta = replica_set["metadata"]
    return Owner(kind=REPLICA_SET.kind, name=meta["name"], uid=meta["uid"])
