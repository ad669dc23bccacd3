"""Reads what policies get to see of the cluster; what cannot be read is an error, never a gap.

The target and its pods are read live. Nodes, and what pods of every namespace hold of them,
are asked of the API server at most once in five seconds, by whoever comes first.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Generic, TypeVar

from shared.api.groups import DEPLOYMENT, NAMESPACE, NODE, POD, SECRET
from shared.api.parameters import Parameters
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Step
from shared.clock import Clock
from shared.effects.targets import READABLE, Address
from shared.errors import PermanentError
from shared.kube.port import Cluster, Object
from shared.kube.selectors import pods_query
from shared.limits import Limits, LiveLimits
from shared.policy.inputs import deployments
from shared.policy.inputs.capacity import Amount, reserved
from shared.policy.inputs.conditions import PullSecrets, Room, Seen, condition_input
from shared.policy.inputs.safety import Surroundings, safety_input
from shared.policy.inputs.targets import Asked, asked

T = TypeVar("T")

_KEPT_S: Final = 5.0
_OF_SECRETS: Final = "image_pull_secret"
_FORBIDDEN: Final = "Forbidden"


class _Shared(Generic[T]):
    """A read whose answer serves everybody for a while, counted from when it was asked."""

    def __init__(self, read: Callable[[], Awaitable[T]], clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._task: asyncio.Task[T] | None = None
        self._asked_at = 0.0

    async def get(self) -> T:
        """Return an answer at most five seconds old, or the one that is under way."""
        if self._task is None or self._is_spent(self._task):
            self._asked_at = self._clock.monotonic()
            self._task = asyncio.ensure_future(self._read())
        # Who stops waiting must not take the answer from the others.
        return await asyncio.shield(self._task)

    def _is_spent(self, task: asyncio.Task[T]) -> bool:
        if not task.done():
            return False
        failed = task.cancelled() or task.exception() is not None
        return failed or self._clock.monotonic() - self._asked_at >= _KEPT_S


class ClusterReader:
    """Builds the inputs of policies from what an API server says."""

    def __init__(self, cluster: Cluster, clock: Clock, *, limits: LiveLimits | None = None) -> None:
        """Build it.

        Args:
            cluster: what is looked at.
            clock: says how old an answer is, and what time policies see.
            limits: what policies get to see of the settings in force; None for the defaults.
        """
        self._cluster = cluster
        self._clock = clock
        self._limits = limits or LiveLimits(Limits())
        self._nodes = _Shared(self._read_nodes, clock)
        self._held = _Shared(self._read_held, clock)

    async def condition_input(
        self, workflow: WorkflowExecution, step: Step, *, parameters: Parameters, fresh: bool
    ) -> dict[str, Any]:
        """Return the input of a step's conditions.

        Args:
            workflow: whose step it is.
            step: as it is defined.
            parameters: its parameters without expressions.
            fresh: whether nothing read before may be used; then no key speaks of nodes, which
                are too many to read each time a step is looked at.

        Raises:
            TransientError, PermanentError: when something cannot be read or described.
        """
        namespace = workflow.metadata.namespace
        wanted = asked(step.action, parameters, namespace=namespace)
        live = await self._deployment(wanted.target)
        pods, room, secrets = await asyncio.gather(
            self._pods(live), self._room(fresh=fresh), self._pull_secrets(step, live)
        )
        seen = Seen(
            deployment=live,
            baseline=_baseline(workflow, wanted),
            pods=pods,
            room=room,
            pull_secrets=secrets,
        )
        return condition_input(wanted, seen, namespace=namespace)

    async def safety_input(
        self,
        workflow: WorkflowExecution,
        *,
        action: str,
        parameters: Parameters,
        step_name: str,
        rollback: bool,
    ) -> dict[str, Any]:
        """Return the input of the safety policies.

        Args:
            workflow: on whose behalf.
            action: what is to be done.
            parameters: to what, without expressions.
            step_name: for which step.
            rollback: whether it undoes something.

        Raises:
            TransientError, PermanentError: when something cannot be read or described.
        """
        wanted = asked(action, parameters, namespace=workflow.metadata.namespace)
        target, namespace, nodes = await asyncio.gather(
            self._target(wanted), self._namespace(wanted.target), self._nodes.get()
        )
        return safety_input(
            workflow,
            wanted,
            Surroundings(target=target, namespace=namespace, nodes=nodes),
            step_name=step_name,
            rollback=rollback,
            gitops=self._limits.current.gitops,
            now=self._clock.now(),
        )

    async def _deployment(self, target: Address | None) -> Object | None:
        if target is None or target.kind != DEPLOYMENT:
            return None
        return await self._cluster.read(DEPLOYMENT, target.name, namespace=target.namespace)

    async def _target(self, wanted: Asked) -> Object | None:
        """Return the live target of a change; what is only looked at need not be known.

        No service reads Secrets: whoever changes one looks itself at who owns it.
        """
        target = wanted.target
        if target is None or not target.name or not wanted.changes_cluster:
            return None
        if target.kind == SECRET:
            return None
        if target.kind not in READABLE:
            raise PermanentError("UnknownKind", f"nothing is known of kind {target.kind.kind}")
        return await self._cluster.read(target.kind, target.name, namespace=target.namespace)

    async def _namespace(self, target: Address | None) -> Object | None:
        if target is None or not target.namespace:
            return None
        found = await self._cluster.read(NAMESPACE, target.namespace)
        if found is None:
            raise PermanentError("NoNamespace", f"there is no namespace {target.namespace}")
        return found

    async def _pods(self, live: Object | None) -> Sequence[Object]:
        if live is None:
            return []
        listing = await self._cluster.list(
            POD,
            namespace=live["metadata"]["namespace"],
            label_selector=pods_query(live),
        )
        return listing.items

    async def _room(self, *, fresh: bool) -> Room | None:
        if fresh:
            return None
        nodes, held = await asyncio.gather(self._nodes.get(), self._held.get())
        return Room(nodes=nodes, held=held)

    async def _pull_secrets(self, step: Step, live: Object | None) -> PullSecrets | str | None:
        """Return the types of image pull secrets, if a condition asks; their data stays here.

        Whether a service may read any is for each namespace to say: one that may not is no
        reason to know nothing of the rest.
        """
        if live is None or not _asks_of_secrets(step):
            return None
        namespace, names = live["metadata"]["namespace"], deployments.pull_secrets(live)
        try:
            found = await asyncio.gather(
                *(self._cluster.read(SECRET, name, namespace=namespace) for name in names)
            )
        except PermanentError as error:
            if error.reason != _FORBIDDEN:
                raise
            return f"no right to get {', '.join(names)} in namespace {namespace}"
        return {
            name: None if secret is None else str(secret.get("type", "Opaque"))
            for name, secret in zip(names, found, strict=True)
        }

    async def _read_nodes(self) -> Sequence[Object]:
        return (await self._cluster.list(NODE)).items

    async def _read_held(self) -> dict[str, Amount]:
        return reserved((await self._cluster.list(POD)).items)


def _baseline(workflow: WorkflowExecution, wanted: Asked) -> int | None:
    plan = workflow.status.execution_plan
    return plan.baselines.get(wanted.target.name) if plan and wanted.target else None


def _asks_of_secrets(step: Step) -> bool:
    """Return whether a condition names image pull secrets: few services may read any."""
    conditions = (*step.pre_conditions, *step.post_conditions)
    return any(_OF_SECRETS in f"{each.type} {each.rego or ''}" for each in conditions)
