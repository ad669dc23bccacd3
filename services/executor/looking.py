"""The actions that only look: wait_for_condition, rollout_status, collect_diagnostics."""

from datetime import datetime
from typing import Final

from services.executor.actions import waiting
from services.executor.actions.waiting import Waited
from services.executor.core import diagnostics
from services.executor.core.changes import Address, RefusedError
from services.executor.settling import Settling
from services.executor.stop import Stop
from shared.api.enums import ErrorType
from shared.api.groups import EVENT, POD
from shared.api.parameters import CollectDiagnostics
from shared.api.results import CustomResult, StepResult
from shared.clock import Clock
from shared.effects.targets import DIAGNOSABLE
from shared.kube.port import Object, TargetCluster
from shared.kube.selectors import pods_query
from shared.telemetry import foreign_logs

_STOPPED: Final = "cancelled while waiting; nothing was to be changed"


class Looking:
    """Looks on behalf of one execution."""

    def __init__(
        self, cluster: TargetCluster, *, clock: Clock, deadline: datetime, stop: Stop
    ) -> None:
        self._cluster = cluster
        self._settling = Settling(cluster, clock=clock, deadline=deadline, stop=stop)

    async def wait(self, parameters: Waited, namespace: str) -> StepResult:
        """Wait until an object is as wanted. Raises RefusedError."""
        done = await self._settling.wait(
            waiting.address(parameters, namespace),
            lambda live: waiting.judge(parameters, live),
            if_stopped=_STOPPED,
        )
        return done.result

    async def collect(self, parameters: CollectDiagnostics, namespace: str) -> StepResult:
        """Write down how an object and its pods are.

        Raises:
            RefusedError: when there is no such object.
            PermanentError: when it may not be looked at.
        """
        target = parameters.target_resource
        address = Address(
            kind=DIAGNOSABLE[target.kind],
            name=target.name,
            namespace=target.namespace or namespace,
        )
        live = await self._cluster.read(address.kind, address.name, namespace=address.namespace)
        if live is None:
            raise RefusedError(ErrorType.RESOURCE_NOT_FOUND, f"{address} does not exist")
        pods = await self._pods(address, live)
        uids = frozenset(each["metadata"]["uid"] for each in (live, *pods))
        listing = await self._cluster.list(EVENT, namespace=address.namespace)
        events = [_shown(event) for event in listing.items if diagnostics.is_about(event, uids)]
        told = CustomResult(
            action_type="collect_diagnostics",
            output=diagnostics.summary(address, live, pods, events),
        )
        return StepResult(success=True, custom_result=told)

    async def _pods(self, address: Address, live: Object) -> list[Object]:
        if address.kind == POD:
            return [live]
        listing = await self._cluster.list(
            POD, namespace=address.namespace, label_selector=pods_query(live)
        )
        return listing.items


def _shown(event: Object) -> Object:
    """Return an event fit to be shown: what a probe writes stands in the warning about it."""
    return event | {"message": foreign_logs.kept(str(event.get("message") or ""))}
