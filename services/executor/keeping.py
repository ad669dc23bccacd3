"""Keeps the state before a change in a Secret, and reads it again."""

from services.executor.core import keeping
from services.executor.core.changes import RefusedError, State
from shared.api.enums import ErrorType
from shared.api.execution import CapturedState, KubernetesExecution
from shared.api.groups import SECRET
from shared.errors import AlreadyExistsError
from shared.kube.port import TargetCluster


class KeptStates:
    """The states that executions of one namespace captured."""

    def __init__(self, cluster: TargetCluster) -> None:
        self._cluster = cluster

    async def keep(
        self, execution: KubernetesExecution, state: State, *, version: str
    ) -> tuple[str, State]:
        """Keep a state; return the name of its Secret, and what it holds.

        The name tells the version of the target that the state was captured from: whoever
        captures it again, after a crash, finds it kept already, new random values included.

        Raises:
            RefusedError: when it is too large, or the name is taken by somebody else.
            PermanentError: when it may not be kept.
        """
        name = f"{execution.metadata.name}-undo-{version or 'new'}"
        body = keeping.secret_of(execution, name, state)
        namespace = execution.metadata.namespace
        try:
            await self._cluster.create(SECRET, body, namespace=namespace)
        except AlreadyExistsError as error:
            known = await self._cluster.read(SECRET, name, namespace=namespace)
            if known is None or not keeping.is_kept_for(known, execution):
                message = f"Secret {name} is in the way; it belongs to somebody else"
                raise RefusedError(
                    ErrorType.RESOURCE_CONFLICT, message, reason="NameCollision"
                ) from error
            return name, keeping.state_in(known)
        return name, state

    async def state(self, captured: CapturedState, *, namespace: str) -> State:
        """Return what was captured, from wherever it is kept.

        Raises:
            RefusedError: when its Secret is gone.
        """
        if not captured.kept_in:
            return State(
                before=captured.before,
                after=captured.after,
                absent_before=captured.absent_before,
            )
        first = await self._load(captured.kept_in, namespace=namespace)
        if not captured.left_in:
            return first
        last = await self._load(captured.left_in, namespace=namespace)
        return State(before=first.before, after=last.after, absent_before=first.absent_before)

    async def _load(self, name: str, *, namespace: str) -> State:
        found = await self._cluster.read(SECRET, name, namespace=namespace)
        if found is None:
            message = f"Secret {name} with the state before is gone"
            raise RefusedError(ErrorType.RESOURCE_NOT_FOUND, message, reason="UndoDataMissing")
        return keeping.state_in(found)
