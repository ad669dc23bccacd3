"""Typed reading and writing of our two kinds: every status write is a compare-and-swap.

On a conflict the object is read and the decision made again; an old value is never sent
twice. Five tries, then the caller's message is retried later (requirements C4).
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, Final

import msgspec

from shared import jitter
from shared.api.enums import ExecutionPhase
from shared.api.execution import ExecutionStatus, KubernetesExecution
from shared.api.groups import KUBERNETES_EXECUTION, WORKFLOW_EXECUTION
from shared.api.meta import WORKFLOW_UID_LABEL
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import WorkflowStatus
from shared.errors import ConflictError, NotFoundError
from shared.ids import Uid
from shared.kube.apply import merge_patch, to_json
from shared.kube.objects import decoded, new_body, swap_status
from shared.kube.port import Change, Cluster, Object

_WAITS_S: Final = (0.1, 0.2, 0.4, 0.8)

Decide = Callable[[WorkflowExecution], WorkflowStatus | None]
Finish = Callable[[WorkflowExecution, WorkflowStatus], WorkflowStatus]


class WorkflowView(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow as read, with the raw status that holds fields this version may not know."""

    workflow: WorkflowExecution
    raw_status: dict[str, Any]


class WorkflowStore:
    """Reads workflows and writes one service's slice of their status."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        finish: Finish,
        on_conflict: Callable[[], None] = lambda: None,
        on_written: Callable[[str, float], None] = lambda _namespace, _seconds: None,
        on_given_up: Callable[[], None] = lambda: None,
    ) -> None:
        """Build it.

        Args:
            cluster: the API server.
            finish: fills in what is derived, and refuses what must not be written.
            on_conflict: is told of each write that was refused as stale.
            on_written: is told the namespace of each write, and the seconds it took.
            on_given_up: is told of each update that met a conflict at every try.
        """
        self._cluster = cluster
        self._finish = finish
        self._on_conflict = on_conflict
        self._on_written = on_written
        self._on_given_up = on_given_up

    async def fetch(self, namespace: str, name: str) -> WorkflowView | None:
        """Return the live workflow, or None. Raises ContractError when it cannot be decoded."""
        raw = await self._cluster.read(WORKFLOW_EXECUTION, name, namespace=namespace)
        return None if raw is None else _view(raw)

    async def update(
        self,
        namespace: str,
        name: str,
        uid: Uid,
        decide: Decide,
        *,
        view: WorkflowView | None = None,
    ) -> WorkflowExecution | None:
        """Swap in what `decide` makes of the live workflow.

        Returns the workflow as it is afterwards, written or not; None when it is gone.

        Raises:
            ConflictError: after five tries, each on a fresh read.
        """
        for wait in (*_WAITS_S, None):
            current = view or await self.fetch(namespace, name)
            view = None
            if current is None or current.workflow.metadata.uid != uid:
                return None
            try:
                return await self._swap(current, decide)
            except ConflictError:
                self._on_conflict()
                if wait is None:
                    self._on_given_up()
                    raise
                await asyncio.sleep(jitter.around(wait, by=0.5))
            except NotFoundError:
                return None
        return None

    async def _swap(self, view: WorkflowView, decide: Decide) -> WorkflowExecution:
        workflow = view.workflow
        decided = decide(workflow)
        if decided is None:
            return workflow
        after = self._finish(workflow, decided)
        patch = merge_patch(view.raw_status, workflow.status, after)
        if not patch:
            return workflow
        meta = workflow.metadata
        body: Object = {
            "metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version},
            "status": patch,
        }
        loop = asyncio.get_running_loop()
        began = loop.time()
        raw = await self._cluster.patch(
            WORKFLOW_EXECUTION,
            meta.name,
            body,
            namespace=meta.namespace,
            subresource="status",
        )
        self._on_written(meta.namespace, loop.time() - began)
        return _view(raw).workflow


class ExecutionStore:
    """Reads, creates and answers executions."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def fetch(self, namespace: str, name: str) -> KubernetesExecution | None:
        """Return the live execution, or None. Raises ContractError when it cannot be decoded."""
        raw = await self._cluster.read(KUBERNETES_EXECUTION, name, namespace=namespace)
        return None if raw is None else _execution(raw)

    def watch(self, execution: KubernetesExecution) -> AsyncIterator[Change]:
        """Yield what becomes of an execution from when it was read."""
        meta = execution.metadata
        return self._cluster.watch(
            KUBERNETES_EXECUTION,
            namespace=meta.namespace,
            name=meta.name,
            resource_version=meta.resource_version,
        )

    async def of_workflow(self, namespace: str, uid: Uid) -> list[KubernetesExecution]:
        """Return all executions of one workflow."""
        listing = await self._cluster.list(
            KUBERNETES_EXECUTION, namespace=namespace, label_selector=f"{WORKFLOW_UID_LABEL}={uid}"
        )
        return [_execution(item) for item in listing.items]

    async def create(self, execution: KubernetesExecution) -> KubernetesExecution:
        """Create an execution under its derived name. Raises AlreadyExistsError."""
        body = new_body(execution)
        raw = await self._cluster.create(
            KUBERNETES_EXECUTION, body, namespace=execution.metadata.namespace
        )
        return _execution(raw)

    async def write_status(
        self, execution: KubernetesExecution, status: ExecutionStatus
    ) -> KubernetesExecution:
        """Swap in a status on the version that was read. Raises ConflictError, NotFoundError."""
        raw = await swap_status(
            self._cluster,
            KUBERNETES_EXECUTION,
            execution.metadata,
            raw=to_json(execution.status),
            before=execution.status,
            after=status,
        )
        return _execution(raw)

    async def cancel(
        self, execution: KubernetesExecution, *, message: str, now: datetime
    ) -> KubernetesExecution:
        """Mark an execution Cancelled. Raises ConflictError when a claim or a result was faster."""
        cancelled = msgspec.structs.replace(
            execution.status,
            phase=ExecutionPhase.CANCELLED,
            message=message,
            completion_time=now,
        )
        return await self.write_status(execution, cancelled)


def _view(raw: Object) -> WorkflowView:
    workflow = decoded(raw, WorkflowExecution)
    return WorkflowView(workflow=workflow, raw_status=raw.get("status", {}))


def _execution(raw: Object) -> KubernetesExecution:
    return decoded(raw, KubernetesExecution)
