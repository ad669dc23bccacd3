"""What actions are carried out on, and the workflows they are steps of."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec

from services.executor.capture import parameters_for
from services.executor.core.stamps import stamped
from shared.api.enums import ExecutionKind, Intent
from shared.api.execution import KubernetesExecution
from shared.api.groups import WORKFLOW_EXECUTION
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Step
from shared.api.workflow_status import Token
from shared.effects.catalogue import with_parameters
from shared.effects.targets import target_of
from shared.errors import AlreadyExistsError, ConflictError
from shared.kube.apply import to_json
from shared.kube.client import ApiCluster
from shared.kube.objects import decoded
from shared.kube.port import Object
from shared.kube.store import ExecutionStore
from shared.workflow.executions import new_execution
from tests.chaos.actions.samples import SHARED, Sample, is_ready, kind_of
from tests.support.builders import NOW, make_workflow, planned

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


class Stage:
    """A namespace with targets and workflows."""

    def __init__(self, api: ApiCluster, namespace: str) -> None:
        self._api = api
        self._executions = ExecutionStore(api)
        self.namespace = namespace
        self._made: list[Object] = []

    @asynccontextmanager
    async def target(self, sample: Sample, name: str) -> AsyncIterator[None]:
        """Have a target of that name; nodes are taken away in the end.

        Many of them would change how others behave.
        """
        try:
            await self._set_up(sample, name)
            yield
        finally:
            await self._clean_up(name)

    async def granted(self, sample: Sample, name: str, *, target: str = "") -> WorkflowExecution:
        """Make a workflow whose one step is granted."""
        parameters = with_parameters(sample.action, sample.parameters_for(target or name))
        step = Step(name=STEP, action=str(sample.action), parameters=parameters)
        body = {
            "apiVersion": WORKFLOW_EXECUTION.api_version,
            "kind": WORKFLOW_EXECUTION.kind,
            "metadata": {"name": name},
            "spec": to_json(make_workflow([step]).spec),
        }
        made = await self._api.create(WORKFLOW_EXECUTION, body, namespace=self.namespace)
        return await self.grant(decoded(made, WorkflowExecution), fence=1)

    async def grant(self, workflow: WorkflowExecution, *, fence: int) -> WorkflowExecution:
        """Give the step of a workflow a token under a fence."""
        token = Token(attempt=1, fence=fence, granted_at=NOW)
        return await self.write(workflow, tokens={STEP: token}, last_fence=fence)

    async def write(self, workflow: WorkflowExecution, **changed: Any) -> WorkflowExecution:
        """Change the status of a workflow whose step was tried once."""
        status = msgspec.structs.replace(planned(workflow).status, **changed)
        steps = [msgspec.structs.replace(each, attempts=1) for each in status.steps]
        status = msgspec.structs.replace(status, steps=steps)
        raw = await self._api.patch(
            WORKFLOW_EXECUTION,
            workflow.metadata.name,
            {"status": to_json(status) | {"tokens": to_json(status).get("tokens")}},
            namespace=self.namespace,
            subresource="status",
        )
        return decoded(raw, WorkflowExecution)

    async def order(
        self, workflow: WorkflowExecution, *, settles: bool = False
    ) -> KubernetesExecution:
        """Create the execution of the granted step, or the one that settles it."""
        step, token = workflow.spec.workflow_definition.steps[0], workflow.status.tokens[STEP]
        return await self._executions.create(
            new_execution(
                workflow,
                STEP,
                action=step.action,
                parameters=step.parameters,
                timeout=TIMEOUT,
                attempt=token.attempt,
                fence=token.fence,
                kind=ExecutionKind.SETTLE if settles else ExecutionKind.FORWARD,
                intent=Intent.SETTLE if settles else Intent.RUN,
            )
        )

    async def hold(self, sample: Sample, name: str) -> str:
        """Let another workflow change a target, and hold it; return its execution."""
        workflow = await self.granted(sample, f"{name}-holder", target=name)
        holder, kind = await self.order(workflow), kind_of(sample.objects[0])
        while True:
            live = await self._api.read(kind, name, namespace=self.namespace)
            assert live is not None
            body = stamped(live, sample.meanwhile, holder)
            try:
                made = await self._api.patch(kind, name, body, namespace=self.namespace)
            except ConflictError:
                continue
            await self._until_ready(made)
            return holder.metadata.name

    async def seen(self, sample: Sample, execution: KubernetesExecution) -> Seen:
        """Return the target of an execution as it is."""
        parameters = parameters_for(execution)
        assert parameters is not None
        address = target_of(sample.action, parameters, self.namespace)
        assert address is not None
        live = await self._api.read(address.kind, address.name, namespace=address.namespace)
        if live is None:
            return Seen(essence="")
        counted = live["metadata"].get("generation", 0)
        return Seen(essence=_essence(live, sample), generation=counted)

    async def _set_up(self, sample: Sample, name: str) -> None:
        for body in sample.objects_for(name):
            kind = kind_of(body)
            try:
                made = await self._api.create(kind, body, namespace=self._place(body))
            except AlreadyExistsError:
                assert kind in SHARED
                continue
            if made["metadata"].get("namespace") != self.namespace:
                self._made.append(made)
            await self._until_ready(made)
        for patch in sample.then:
            target = sample.objects_for(name)[0]
            made = await self._api.patch(kind_of(target), name, patch, namespace=self.namespace)
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
        place: str = body["metadata"].get("namespace", self.namespace)
        return place

    async def _clean_up(self, name: str) -> None:
        made = [each for each in self._made if each["metadata"]["name"] == name]
        for each in made:
            self._made.remove(each)
            await self._api.delete(
                kind_of(each), name, uid=each["metadata"]["uid"], namespace=self._place(each)
            )


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
