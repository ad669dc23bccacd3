"""Deletes a pod, or restarts pods one after the other.

What is left to do is read from the live pods, never remembered: another run goes on where
one was killed. Every deletion names uid and version, so that a repeat meets nobody else, and
one whose answer was lost cannot come true once the pod was seen in another version.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from services.executor.core import pods as seen
from services.executor.core.changes import Address, Done, RefusedError, cancelled, too_late
from services.executor.core.pods import Owner
from services.executor.restarting import Restart
from services.executor.stop import Stop
from shared.api.actions.pods import DeletePod, RestartPod
from shared.api.enums import ErrorType
from shared.api.groups import POD
from shared.api.results import CustomResult, RestartResult, StepResult
from shared.clock import Clock
from shared.errors import ConflictError, NotFoundError, TransientError
from shared.kube.errors import OVERLOAD
from shared.kube.port import Object, TargetCluster

_FIRST_LOOK_S: Final = 0.1
_LONGEST_LOOK_S: Final = 1.0
_GROWTH: Final = 1.5


class Deletion:
    """Deletions of single pods, and the waits for what comes of them."""

    def __init__(
        self, cluster: TargetCluster, *, clock: Clock, deadline: datetime, stop: Stop
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._deadline = deadline
        self._stop = stop
        self._unanswered = ""
        """Version of the pod to which a deletion may still be on its way."""

    async def delete_pod(
        self, parameters: DeletePod, namespace: str, *, expected_uid: str = ""
    ) -> Done:
        """Delete a pod, and return once it is gone.

        Args:
            parameters: which pod.
            namespace: where, unless the parameters say so.
            expected_uid: which one of that name, if that is known from before: when there is
                none or another one now, it is gone already.

        Raises:
            RefusedError: when it is not there, does not go in time, or it was told to stop.
            PermanentError: when the API server refuses it.
        """
        address = Address(
            kind=POD, name=parameters.pod, namespace=parameters.namespace or namespace
        )
        uid, grace_s, delay = expected_uid, parameters.grace_period_seconds, _FIRST_LOOK_S
        is_ours = False
        while self._clock.now() < self._deadline:
            try:
                live = await self._cluster.read(POD, address.name, namespace=address.namespace)
                if live is None and not uid:
                    raise RefusedError(ErrorType.RESOURCE_NOT_FOUND, f"{address} does not exist")
                if live is None or (uid and seen.uid_of(live) != uid):
                    return _gone(address, is_ours=is_ours)
                seen.refuse_mirror(live)
                self._heed_stop(live)
                uid = seen.uid_of(live)
                if seen.needs_deletion(live, grace_s):
                    await self._delete(live, grace_s)
                    is_ours = True
            except TransientError:
                pass  # what became of it, the next look shows
            delay = await self._pause(delay)
        raise too_late(f"{address} to end")

    async def restart_pod(
        self,
        parameters: RestartPod,
        namespace: str,
        *,
        started: datetime,
        owners: Sequence[Owner] = (),
    ) -> Done:
        """Delete the pods one after the other, each time waiting for a ready one in its place.

        Args:
            parameters: which pods.
            namespace: where, unless the parameters say so.
            started: when the step began by the clock of the API server, also if that was in
                another process: what was created since is not restarted again.
            owners: the controllers of the pods, if they are known from before: that there is no
                pod at the moment is then no reason to refuse.

        Raises:
            RefusedError: when a pod is not there or has no controller, a replacement is not
                ready in time, or it was told to stop.
            PermanentError: when the API server refuses it.
        """
        restart = Restart(
            self._cluster,
            parameters,
            namespace=parameters.namespace or namespace,
            started=started,
            owners=owners,
        )
        await self._until_told_apart(started)
        waits_for, delay = "the pods to be listed", _FIRST_LOOK_S
        while self._clock.now() < self._deadline:
            try:
                left = await restart.look()
                done = f"{left.replaced} restarted, {len(left.old)} left"
                waits_for = f"{left.lacking or 'the next pod to end'} ({done})"
                if not left.old and not left.lacking:
                    return _restarted(left.replaced)
                if self._stop.asked and not any(map(self._is_in_the_air, left.old)):
                    raise cancelled(f"cancelled while restarting pods: {done}")
                if not left.lacking:
                    await self._delete(left.old[0], parameters.grace_period_seconds)
                    delay = _FIRST_LOOK_S
            except TransientError:
                pass  # what became of it, the next look shows
            delay = await self._pause(delay)
        raise too_late(waits_for)

    async def _until_told_apart(self, started: datetime) -> None:
        """Wait until what comes from now on looks younger than what was there at the start.

        The API server stamps whole seconds: whoever goes on after a death would take a pod that
        came in the second of the start for one that is still to be replaced.
        """
        over = started.replace(microsecond=0) + timedelta(seconds=1)
        left = (over - self._clock.now()).total_seconds()
        # It has begun: what is more than a second is only the difference of two clocks.
        if left > 0:
            await self._stop.pause(min(1.0, left))

    async def _delete(self, pod: Object, grace_s: int) -> None:
        meta, before = pod["metadata"], self._unanswered
        self._unanswered = meta["resourceVersion"]
        try:
            # That one may be gone, or another one by now: the next look shows.
            with suppress(NotFoundError, ConflictError):
                await self._cluster.delete(
                    POD,
                    meta["name"],
                    uid=seen.uid_of(pod),
                    namespace=meta["namespace"],
                    resource_version=meta["resourceVersion"],
                    grace_s=grace_s,
                )
        except TransientError as error:
            if error.reason == OVERLOAD:
                self._unanswered = before
            raise
        self._unanswered = ""

    def _is_in_the_air(self, pod: Object) -> bool:
        return bool(pod["metadata"]["resourceVersion"] == self._unanswered)

    def _heed_stop(self, live: Object) -> None:
        if self._stop.asked and not self._is_in_the_air(live):
            told = "cancelled while waiting; the pod was told to end"
            raise cancelled(told if seen.is_leaving(live) else "cancelled before the change")

    async def _pause(self, delay: float) -> float:
        """Wait before the next look; return how long to wait the next time."""
        left = max(0.0, (self._deadline - self._clock.now()).total_seconds())
        # Who was told to stop and still is here waits for an answer, and must not ask in a rush.
        pause = asyncio.sleep if self._stop.asked else self._stop.pause
        await pause(min(delay, left))
        return min(_LONGEST_LOOK_S, delay * _GROWTH)


def _gone(address: Address, *, is_ours: bool) -> Done:
    name = f"{address.namespace}/{address.name}"
    output = f"deleted pod {name}" if is_ours else f"pod {name} was gone already"
    told = CustomResult(action_type="delete_pod", output=output)
    return Done(
        result=StepResult(success=True, custom_result=told, resources_affected=[str(address)])
    )


def _restarted(count: int) -> Done:
    told = CustomResult(action_type="restart_pod", output=f"restarted {count} pods")
    replaced = RestartResult(pods_restarted=count)
    return Done(result=StepResult(success=True, restart_result=replaced, custom_result=told))
