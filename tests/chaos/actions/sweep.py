"""Carries out actions that are killed at one of their requests, and looks at what became of it."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any, Final

import msgspec

from services.executor.capture import parameters_for
from services.rollback.core.undo import Undo, undo_of
from shared.api.enums import (
    ExecutionKind,
    ExecutionPhase,
    RollbackPhase,
    RollbackStepPhase,
    RollbackType,
)
from shared.api.execution import KubernetesExecution
from shared.api.groups import WORKFLOW_EXECUTION
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Step
from shared.api.workflow_status import Rollback, RollbackStep, Token
from shared.effects.catalogue import with_parameters
from shared.effects.targets import target_of
from shared.errors import AlreadyExistsError
from shared.ids import ExecutionName
from shared.kube.apply import to_json
from shared.kube.client import ApiCluster
from shared.kube.objects import decoded
from shared.kube.port import Object
from shared.kube.store import ExecutionStore
from shared.workflow.executions import new_execution
from tests.chaos.actions.samples import SHARED, Sample, is_ready, kind_of
from tests.support import dying
from tests.support.builders import NOW, make_workflow, planned
from tests.support.dying import NEVER, Death

STEP: Final = "step"
TIMEOUT: Final = "30s"
_READY_S: Final = 30
_OURS: Final = re.compile(r"kubernaut\.ai/|(deployment|node\.alpha)\.kubernetes\.io/")
_PLACE: Final = re.compile(r"topology\.kubernetes\.io/")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+Z")
_PLACED: Final = ("nodeName", "podCIDR", "podCIDRs")
_SET_BY_SERVER: Final = (
    "uid",
    "generation",
    "resourceVersion",
    "creationTimestamp",
    "managedFields",
    "ownerReferences",
)


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A target, without what differs from run to run."""

    essence: str
    """What people gave it, as text; empty when it is not there."""
    generation: int = 0
    """How often its spec was changed, where the API server counts that."""


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

    def __init__(self, api: ApiCluster, kubeconfig: Path, namespace: str) -> None:
        self._api = api
        self._executions = ExecutionStore(api)
        self._kubeconfig = kubeconfig
        self._namespace = namespace
        self._made: list[Object] = []

    async def forward(self, sample: Sample, name: str, death: Death = NEVER) -> Ended:
        """Carry out an action on an object of its own."""
        try:
            return await self._forward(sample, name, death)
        finally:
            await self._clean_up(name)

    async def undo(self, sample: Sample, name: str, death: Death = NEVER) -> Ended:
        """Carry out an action undisturbed, and then what undoes it."""
        try:
            return await self._undo(sample, name, death)
        finally:
            await self._clean_up(name)

    async def _forward(self, sample: Sample, name: str, death: Death) -> Ended:
        await self._set_up(sample, name)
        workflow = await self._workflow(sample, name)
        token = Token(attempt=1, fence=1, granted_at=NOW)
        workflow = await self._write(workflow, tokens={STEP: token}, last_fence=1)
        execution = new_execution(
            workflow,
            STEP,
            action=str(sample.action),
            parameters=with_parameters(sample.action, sample.parameters_for(name)),
            timeout=TIMEOUT,
            attempt=1,
            fence=1,
            kind=ExecutionKind.FORWARD,
        )
        return await self._carry_out(sample, name, execution, death)

    async def _undo(self, sample: Sample, name: str, death: Death) -> Ended:
        done = await self._forward(sample, name, NEVER)
        assert done.execution.status.phase is ExecutionPhase.COMPLETED, told(done)
        raw = await self._api.read(WORKFLOW_EXECUTION, name, namespace=self._namespace)
        assert raw is not None
        workflow = decoded(raw, WorkflowExecution)
        forward = {ExecutionName(done.execution.metadata.name): done.execution}
        undo = undo_of(workflow, STEP, forward)
        assert isinstance(undo, Undo), undo
        step = RollbackStep(name=STEP, attempt=1, fence=2, phase=RollbackStepPhase.RUNNING)
        back = Rollback(phase=RollbackPhase.RUNNING, strategy=RollbackType.AUTOMATIC, steps=[step])
        workflow = await self._write(workflow, tokens={}, rollback=back)
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
        return await self._carry_out(sample, name, execution, death)

    async def _clean_up(self, name: str) -> None:
        """Take away what is elsewhere: many nodes would change how others behave."""
        made = [each for each in self._made if each["metadata"]["name"] == name]
        for each in made:
            self._made.remove(each)
            await self._api.delete(
                kind_of(each), name, uid=each["metadata"]["uid"], namespace=self._place(each)
            )

    async def _set_up(self, sample: Sample, name: str) -> None:
        for body in sample.objects_for(name):
            kind = kind_of(body)
            try:
                made = await self._api.create(kind, body, namespace=self._place(body))
            except AlreadyExistsError:
                assert kind in SHARED
                continue
            if made["metadata"].get("namespace") != self._namespace:
                self._made.append(made)
            await self._until_ready(made)
        for patch in sample.then:
            target = sample.objects_for(name)[0]
            made = await self._api.patch(kind_of(target), name, patch, namespace=self._namespace)
            await self._until_ready(made)

    async def _until_ready(self, made: Object) -> None:
        kind, name, place = kind_of(made), made["metadata"]["name"], self._place(made)
        async with asyncio.timeout(_READY_S):
            while True:
                live = await self._api.read(kind, name, namespace=place)
                if live is not None and is_ready(live):
                    return
                await asyncio.sleep(0.05)

    def _place(self, body: Object) -> str:
        place: str = body["metadata"].get("namespace", self._namespace)
        return place

    async def _workflow(self, sample: Sample, name: str) -> WorkflowExecution:
        parameters = with_parameters(sample.action, sample.parameters_for(name))
        step = Step(name=STEP, action=str(sample.action), parameters=parameters)
        body = {
            "apiVersion": WORKFLOW_EXECUTION.api_version,
            "kind": WORKFLOW_EXECUTION.kind,
            "metadata": {"name": name},
            "spec": to_json(make_workflow([step]).spec),
        }
        made = await self._api.create(WORKFLOW_EXECUTION, body, namespace=self._namespace)
        return decoded(made, WorkflowExecution)

    async def _write(self, workflow: WorkflowExecution, **changed: Any) -> WorkflowExecution:
        status = msgspec.structs.replace(planned(workflow).status, **changed)
        steps = [msgspec.structs.replace(each, attempts=1) for each in status.steps]
        status = msgspec.structs.replace(status, steps=steps)
        raw = await self._api.patch(
            WORKFLOW_EXECUTION,
            workflow.metadata.name,
            {"status": to_json(status) | {"tokens": to_json(status).get("tokens")}},
            namespace=self._namespace,
            subresource="status",
        )
        return decoded(raw, WorkflowExecution)

    async def _carry_out(
        self, sample: Sample, name: str, execution: KubernetesExecution, death: Death
    ) -> Ended:
        """Let one executor begin, and another one go on where it died."""
        made = await self._executions.create(execution)
        before = await self._seen(sample, made)
        called = made.metadata.name
        killed = death != NEVER and await self._is_killed(death, called)
        requests = 0
        if death == NEVER or killed:
            requests = await dying.carry_out(
                self._kubeconfig, namespace=self._namespace, name=called, identity="second"
            )
        ended = await self._executions.fetch(self._namespace, made.metadata.name)
        assert ended is not None
        after = await self._seen(sample, made)
        return Ended(
            name=name,
            requests=requests,
            killed=killed,
            execution=ended,
            before=before,
            after=after,
        )

    async def _is_killed(self, death: Death, called: str) -> bool:
        """Carry out an execution in a process of its own; return whether that was killed."""
        return await dying.is_killed(
            dying.carry_out,
            kubeconfig=self._kubeconfig,
            namespace=self._namespace,
            name=called,
            identity="first",
            death=death,
        )

    async def _seen(self, sample: Sample, execution: KubernetesExecution) -> Seen:
        parameters = parameters_for(execution)
        assert parameters is not None
        address = target_of(sample.action, parameters, self._namespace)
        assert address is not None
        live = await self._api.read(address.kind, address.name, namespace=address.namespace)
        if live is None:
            return Seen(essence="")
        counted = live["metadata"].get("generation", 0)
        return Seen(essence=_essence(live, sample), generation=counted)


def told(ended: Ended) -> str:
    """Return how an execution ended, for whoever reads a failure."""
    status = ended.execution.status
    return f"{ended.name}: {status.phase} {status.message}"


def _essence(live: Object, sample: Sample) -> str:
    if sample.replaced:
        return str(live["kind"])
    meta = {key: each for key, each in live["metadata"].items() if key not in _SET_BY_SERVER}
    notes = meta.pop("annotations", {})
    meta["annotations"] = {key: each for key, each in notes.items() if not _OURS.match(key)}
    labels = meta.get("labels", {})
    meta["labels"] = {key: each for key, each in labels.items() if not _PLACE.match(key)}
    spec = {key: each for key, each in live.get("spec", {}).items() if key not in _PLACED}
    if "taints" in spec:
        spec["taints"] = [each for each in spec["taints"] if "kubernetes.io" not in each["key"]]
    data = live.get("data", {})
    if sample.random:
        data = {key: len(each) for key, each in data.items()}
    text = json.dumps({"metadata": meta, "spec": spec, "data": data}, sort_keys=True)
    text = text.replace(live["metadata"]["uid"], "(uid)").replace(
        live["metadata"]["name"], "(name)"
    )
    return _TIME.sub("(time)", text)
