"""One step carried out, and undone, on a real API server in this process: no bus, no service.

    prepared object -> claimed, acted, recorded by the executor -> undone as the rollback
    service would have it

The workflow is a real one, that owns what is kept for it; each act is a step of its own.
"""

from itertools import count
from typing import Final

import msgspec
import structlog

from services.executor.carrying_out import CarryingOut
from services.executor.claiming import Claiming, Held
from services.executor.core import claims
from services.rollback.core.trigger import wanted_execution
from shared.api.enums import (
    Action,
    ExecutionKind,
    Intent,
    OnDrift,
    RollbackPhase,
    RollbackStepPhase,
    RollbackType,
    StepPhase,
)
from shared.api.execution import CapturedInverse, KubernetesExecution
from shared.api.groups import KUBERNETES_EXECUTION, WORKFLOW_EXECUTION, Kind
from shared.api.parameters import ActionParameters
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Step
from shared.api.workflow_status import Rollback, RollbackStep, Token
from shared.clock import Clock, SystemClock
from shared.contracts.subjects import Service
from shared.effects.catalogue import with_parameters
from shared.errors import AlreadyExistsError, ConflictError, NotFoundError
from shared.kube.client import ApiCluster
from shared.kube.events import EventRecorder
from shared.kube.objects import decoded, new_body
from shared.kube.port import Object
from shared.kube.store import ExecutionStore, WorkflowStore
from shared.limits import Limits, LiveLimits
from shared.telemetry.metrics import Metrics
from shared.worker.context import Context
from shared.worker.publisher import Publisher
from shared.worker.running import finisher
from shared.workflow.executions import new_execution
from tests.support.builders import NOW, by_name, make_workflow, notify_step, planned, with_steps
from tests.support.partial import merge_patch
from tests.support.recording import KeepingBus

NAME: Final = "acts"
LIMIT: Final = "10s"


_NUMBERS: Final = count(1)
"""Of all names, so that tests may share a namespace."""


class Acts:
    """Steps of one workflow in one namespace."""

    def __init__(
        self,
        cluster: ApiCluster,
        others: ApiCluster,
        workflow: WorkflowExecution,
        *,
        clock: Clock | None = None,
    ) -> None:
        """Build it from who acts, from who else changes objects, and from a stored workflow."""
        self.cluster = cluster
        self.others = others
        self.bus = KeepingBus()
        self.namespace = workflow.metadata.namespace
        self._stored = workflow
        self._numbers = _NUMBERS
        clock, service, metrics = clock or SystemClock(), Service.EXECUTOR, Metrics()
        self.context = Context(
            service=service,
            identity="test",
            clock=clock,
            cluster=cluster,
            bus=self.bus,
            workflows=WorkflowStore(cluster, finish=finisher(service, clock, metrics)),
            executions=ExecutionStore(cluster),
            publisher=Publisher(self.bus, clock=clock, service=service, identity="test"),
            recorder=EventRecorder(cluster, component="test", clock=clock),
            metrics=metrics,
            log=structlog.get_logger(),
            namespace=self.namespace,
            system_namespace=self.namespace,
            resync_s=30,
            limits=LiveLimits(Limits()),
            acting_as=lambda _: cluster,
        )
        self._claiming = Claiming(self.context, identity="test")

    def under(self, clock: Clock) -> "Acts":
        """Return the same, carried out by an executor with another clock."""
        return Acts(self.cluster, self.others, self._stored, clock=clock)

    @classmethod
    async def begin(cls, cluster: ApiCluster, others: ApiCluster, namespace: str) -> "Acts":
        """Store the workflow that everything belongs to, unless it is there."""
        fresh = make_workflow([notify_step("s")], name=NAME)
        body = new_body(fresh) | {"metadata": {"name": NAME}}
        try:
            made = await cluster.create(WORKFLOW_EXECUTION, body, namespace=namespace)
        except AlreadyExistsError:
            known = await cluster.read(WORKFLOW_EXECUTION, NAME, namespace=namespace)
            assert known is not None
            made = known
        return cls(cluster, others, decoded(made, WorkflowExecution))

    def fresh_name(self) -> str:
        """Return a name that nothing else has here."""
        return f"{self.namespace[:30].rstrip('-')}-{next(self._numbers)}"

    async def act(
        self,
        action: Action,
        parameters: ActionParameters,
        *,
        on_drift: OnDrift = OnDrift.SKIP,
        dry_run: bool = False,
        limit: str = LIMIT,
    ) -> "Act":
        """Carry out one step to its end."""
        act = await self.order(action, parameters, on_drift=on_drift, dry_run=dry_run, limit=limit)
        return await act.carry_out()

    async def order(
        self,
        action: Action,
        parameters: ActionParameters,
        *,
        on_drift: OnDrift = OnDrift.SKIP,
        dry_run: bool = False,
        limit: str = LIMIT,
        settles: str | None = None,
    ) -> "Act":
        """Create the execution of a step, or of one to settle; nobody takes it up yet."""
        step = Step(
            name=settles or f"s{next(self._numbers)}",
            action=str(action),
            parameters=with_parameters(action, parameters),
            on_drift=on_drift,
        )
        workflow = self._with(step)
        execution = new_execution(
            workflow,
            step.name,
            action=step.action,
            parameters=step.parameters,
            timeout=limit,
            attempt=1,
            fence=1,
            kind=ExecutionKind.SETTLE if settles else ExecutionKind.FORWARD,
            intent=Intent.SETTLE if settles else Intent.RUN,
            dry_run=dry_run,
        )
        return Act(self, workflow, await self.create(execution))

    async def create(self, execution: KubernetesExecution) -> KubernetesExecution:
        """Create an execution as its service does."""
        made = await self.cluster.create(
            KUBERNETES_EXECUTION, new_body(execution), namespace=self.namespace
        )
        return decoded(made, KubernetesExecution)

    async def claim(
        self, execution: KubernetesExecution, workflow: WorkflowExecution
    ) -> KubernetesExecution:
        """Claim an execution as the executor does."""
        assert claims.refusal(execution, workflow, holder_is_gone=False) is None
        while True:
            try:
                claim = await self._claiming.claim(execution)
            except ConflictError:
                continue
            assert not isinstance(claim, Held)
            return claim

    async def finish(
        self, claim: KubernetesExecution, workflow: WorkflowExecution
    ) -> KubernetesExecution:
        """Act under a claim, and record how it ended."""
        status = await CarryingOut(self.context, claim, workflow).run()
        live = await self.context.executions.fetch(self.namespace, claim.metadata.name)
        assert live is not None
        return await self.context.executions.write_status(live, status)

    async def make(self, kind: Kind, body: Object) -> Object:
        """Create an object as somebody else."""
        return await self.others.create(kind, body, namespace=self._place(kind))

    async def read(self, kind: Kind, name: str) -> Object | None:
        """Return an object as it is."""
        return await self.cluster.read(kind, name, namespace=self._place(kind))

    async def change(self, kind: Kind, name: str, part: Object) -> Object:
        """Lay a part over an object, as somebody else who looks first."""
        while True:
            live = await self.read(kind, name)
            assert live is not None
            body = merge_patch(live, part)
            body["metadata"] = body.get("metadata", {}) | {
                "resourceVersion": live["metadata"]["resourceVersion"]
            }
            try:
                return await self.others.patch(kind, name, body, namespace=self._place(kind))
            except ConflictError:
                continue

    async def remove(self, kind: Kind, name: str) -> None:
        """Delete an object at once, as somebody else."""
        live = await self.read(kind, name)
        if live is None:
            return
        try:
            await self.others.delete(
                kind,
                name,
                uid=live["metadata"]["uid"],
                namespace=self._place(kind),
                grace_s=0,
            )
        except NotFoundError:
            return

    def _place(self, kind: Kind) -> str:
        return self.namespace if kind.namespaced else ""

    def _with(self, step: Step) -> WorkflowExecution:
        """Return the workflow with one granted step."""
        laid_out = planned(make_workflow([step], name=NAME))
        token = Token(attempt=1, fence=1, granted_at=NOW)
        granted = with_steps(laid_out, {step.name: StepPhase.RUNNING})
        status = msgspec.structs.replace(granted.status, tokens={step.name: token}, last_fence=1)
        return msgspec.structs.replace(granted, metadata=self._stored.metadata, status=status)


class Act:
    """One step, and its way back."""

    def __init__(
        self, acts: Acts, workflow: WorkflowExecution, execution: KubernetesExecution
    ) -> None:
        self._acts = acts
        self.workflow = workflow
        self.execution = execution
        """As it was written last."""

    async def claim(self) -> "Act":
        """Claim it, and nothing more."""
        self.execution = await self._acts.claim(self.execution, self.workflow)
        return self

    async def carry_out(self) -> "Act":
        """Carry it out to its end."""
        if not self.execution.is_claimed:
            await self.claim()
        self.execution = await self._acts.finish(self.execution, self.workflow)
        return self

    @property
    def captured(self) -> CapturedInverse:
        """Return what was captured before it acted; there must be something."""
        assert self.execution.status.rollback_information is not None
        return self.execution.status.rollback_information

    async def undone(self) -> KubernetesExecution:
        """Carry out its undo as the rollback service orders it."""
        name = self.execution.spec.step_name
        going_back = Rollback(
            phase=RollbackPhase.RUNNING,
            strategy=RollbackType.AUTOMATIC,
            steps=[RollbackStep(name=name, phase=RollbackStepPhase.RUNNING, attempt=1, fence=2)],
        )
        done = with_steps(self.workflow, {name: StepPhase.COMPLETED})
        status = msgspec.structs.replace(done.status, rollback=going_back)
        workflow = msgspec.structs.replace(done, status=status)
        wanted = wanted_execution(workflow, by_name(self.execution))
        assert wanted is not None, self.captured
        back = Act(self._acts, workflow, await self._acts.create(wanted))
        return (await back.carry_out()).execution
