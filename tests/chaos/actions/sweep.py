"""Carries out actions that are killed at one of their requests, and looks at what became of it."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from services.executor.core.blocked import TYPE as BLOCKED
from services.rollback.core.undo import Undo, undo_of
from shared.api.enums import (
    ExecutionKind,
    ExecutionPhase,
    RollbackPhase,
    RollbackStepPhase,
    RollbackType,
)
from shared.api.execution import KubernetesExecution
from shared.api.groups import KUBERNETES_EXECUTION, WORKFLOW_EXECUTION
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import Rollback, RollbackStep
from shared.ids import ExecutionName
from shared.kube.client import ApiCluster
from shared.kube.objects import decoded
from shared.kube.store import ExecutionStore
from shared.workflow.executions import new_execution
from tests.chaos.actions.samples import Sample
from tests.chaos.actions.stage import STEP, TIMEOUT, Seen, Stage
from tests.support import dying
from tests.support.dying import CLAIMED, NEVER, Death
from tests.support.kubectl import Kubectl, Object
from tests.support.ledgers import AuditedRequests, Request

_AT_ONCE: Final = 6


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one execution."""

    name: str
    """Of its target."""
    requests: int
    """How many it took who ended it."""
    killed: bool
    execution: KubernetesExecution
    before: Seen
    """The target before the execution."""
    after: Seen
    """The target as it was left."""

    @property
    def changes(self) -> int:
        """Return how often the spec of the target was changed."""
        return self.after.generation - self.before.generation


class Sweep:
    """A namespace in which actions are carried out."""

    def __init__(self, api: ApiCluster, kubectl: Kubectl, *, executor: Path, log: Path) -> None:
        """Build it from who sets things up, the kubeconfig of those who die, and the audit log."""
        self._api = api
        self._executions = ExecutionStore(api)
        self._kubeconfig = executor
        self._kubectl = kubectl
        self._namespace = kubectl.namespace
        self._stage = Stage(api, kubectl.namespace)
        self._audited = AuditedRequests(log)
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._lost: list[Object] = []
        """Executions that were deleted before their step ended, as they were then."""

    async def forward(self, sample: Sample, name: str, death: Death = NEVER) -> Ended:
        """Carry out an action on an object of its own."""
        async with self._gate, self._stage.target(sample, name):
            return await self._forward(sample, name, death)

    async def undo(self, sample: Sample, name: str, death: Death = NEVER) -> Ended:
        """Carry out an action undisturbed, and then what undoes it."""
        async with self._gate, self._stage.target(sample, name):
            return await self._undo(sample, await self._forward(sample, name, NEVER), death)

    async def settle(
        self, sample: Sample, name: str, death: Death = NEVER, *, lost: Death | None
    ) -> Ended:
        """Have an execution deleted, and settle its step.

        Args:
            sample: what it does.
            name: of its target.
            death: of who settles the step.
            lost: where the deleted one had come to; None where nobody had taken it up.
        """
        async with self._gate, self._stage.target(sample, name):
            workflow = await self._stage.granted(sample, name)
            await self._lose(await self._stage.order(workflow), lost)
            workflow = await self._stage.grant(workflow, fence=2)
            settling = await self._stage.order(workflow, settles=True)
            return await self._carry_out(sample, name, settling, death)

    async def wait(
        self, sample: Sample, name: str, death: Death = NEVER, *, claimed: bool
    ) -> Ended:
        """Carry out an action on an object that another workflow holds, and look at its undo.

        That workflow lets go once somebody waits for it; `claimed` tells whether it came to
        the target after the claim.
        """
        async with self._gate, self._stage.target(sample, name):
            execution = await self._stage.order(await self._stage.granted(sample, name))
            if claimed:
                assert await self._is_killed(CLAIMED, execution.metadata.name)
            holder = await self._stage.hold(sample, name)
            ended = await self._carry_out(sample, name, execution, death, holder=holder)
            held = await self._executions.fetch(self._namespace, holder)
            assert held is not None
            assert held.is_terminal, f"{name} killed {death}: nobody waited"
            # Before its claim, it says so, and its time does not run.
            told_so = any(each.type == BLOCKED for each in ended.execution.status.conditions)
            assert told_so is not claimed, f"{name} killed {death}: {ended.execution.status}"
            undone = await self._undo(sample, ended, NEVER)
            assert undone.after.essence == ended.before.essence, f"{name} killed {death}: undo"
            return ended

    def requests(self, names: Iterable[str]) -> list[Request]:
        """Return what was asked of targets with these names, and in the namespace, so far."""
        return self._audited.read(self._namespace, others=names)

    def differences(self, names: Iterable[str]) -> list[str]:
        """Return how the ledgers differ from what was asked of targets with these names."""
        executions = [*self._kubectl.items("kex"), *self._lost]
        return self._audited.differences(self._namespace, executions, others=names)

    async def _forward(self, sample: Sample, name: str, death: Death) -> Ended:
        execution = await self._stage.order(await self._stage.granted(sample, name))
        return await self._carry_out(sample, name, execution, death)

    async def _undo(self, sample: Sample, done: Ended, death: Death) -> Ended:
        assert done.execution.status.phase is ExecutionPhase.COMPLETED, told(done)
        raw = await self._api.read(WORKFLOW_EXECUTION, done.name, namespace=self._namespace)
        assert raw is not None
        workflow = decoded(raw, WorkflowExecution)
        forward = {ExecutionName(done.execution.metadata.name): done.execution}
        undo = undo_of(workflow, STEP, forward)
        assert isinstance(undo, Undo), undo
        step = RollbackStep(name=STEP, attempt=1, fence=2, phase=RollbackStepPhase.RUNNING)
        back = Rollback(phase=RollbackPhase.RUNNING, strategy=RollbackType.AUTOMATIC, steps=[step])
        workflow = await self._stage.write(workflow, tokens={}, rollback=back)
        execution = new_execution(
            workflow,
            STEP,
            action=str(undo.action),
            parameters=undo.parameters,
            timeout=TIMEOUT,
            attempt=1,
            fence=2,
            kind=ExecutionKind.ROLLBACK,
            rollback_of=undo.rollback_of,
        )
        made = await self._executions.create(execution)
        return await self._carry_out(sample, done.name, made, death)

    async def _lose(self, execution: KubernetesExecution, death: Death | None) -> None:
        """Begin an execution, and delete it; what is its own stays, for all to see."""
        name = execution.metadata.name
        if death is not None and await self._is_killed(death, name) != (death != NEVER):
            message = f"{name} was to be killed {death}"
            raise AssertionError(message)
        raw = await self._api.read(KUBERNETES_EXECUTION, name, namespace=self._namespace)
        assert raw is not None
        self._lost.append(raw)
        await asyncio.to_thread(self._kubectl.ok, "delete", "kex", name, "--cascade=orphan")

    async def _carry_out(
        self,
        sample: Sample,
        name: str,
        execution: KubernetesExecution,
        death: Death,
        *,
        holder: str = "",
    ) -> Ended:
        """Let one executor begin, and another one go on where it died."""
        before = await self._stage.seen(sample, execution)
        called = execution.metadata.name
        killed = death != NEVER and await self._is_killed(death, called, holder=holder)
        requests = 0
        if death == NEVER or killed:
            requests = await dying.carry_out(
                self._kubeconfig,
                namespace=self._namespace,
                name=called,
                identity="second",
                holder=holder,
            )
        ended = await self._executions.fetch(self._namespace, called)
        assert ended is not None
        return Ended(
            name=name,
            requests=requests,
            killed=killed,
            execution=ended,
            before=before,
            after=await self._stage.seen(sample, execution),
        )

    async def _is_killed(self, death: Death, called: str, *, holder: str = "") -> bool:
        """Carry out an execution in a process of its own; return whether that was killed."""
        return await dying.is_killed(
            dying.carry_out,
            kubeconfig=self._kubeconfig,
            namespace=self._namespace,
            name=called,
            identity="first",
            death=death,
            holder=holder,
        )


def told(ended: Ended) -> str:
    """Return how an execution ended, for whoever reads a failure."""
    status = ended.execution.status
    return f"{ended.name}: {status.phase} {status.message}"
