"""kill -9 of the rollback service at every request on the way back: undone once, in order.

Each request is met on one side of it by default, and on both with `SWEEP=all`.
"""

import asyncio
import os
from typing import TYPE_CHECKING, Final

import msgspec
import pytest

from shared.api.enums import ExecutionKind, ExecutionPhase, Phase
from shared.api.execution import CapturedInverse, KubernetesExecution, TargetRef
from shared.api.groups import (
    CONFIG_MAP,
    KUBERNETES_EXECUTION,
    WORKFLOW_EXECUTION,
)
from shared.api.parameters import Parameters, UpdateConfigmap
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Step
from shared.ids import Uid
from shared.kube.apply import to_json
from shared.kube.client import ApiCluster
from shared.kube.objects import decoded, new_body
from shared.kube.store import ExecutionStore
from shared.worker.keys import WorkflowKey
from tests.integration.kube.conftest import api, connect, kubectl
from tests.support import dying
from tests.support.builders import execution_of
from tests.support.dying import Death, When
from tests.support.kubectl import Kubectl, Object
from tests.support.ledgers import AuditedRequests, Request
from tests.support.undoing import failed_after

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

__all__ = ["api", "connect", "kubectl"]

BOTH_SIDES: Final = os.environ.get("SWEEP") == "all"
STEPS: Final = ("a", "b", "c")
AT_ONCE: Final = 6


class Undone(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow whose way back was begun by one service, and ended by another."""

    death: Death
    name: str
    killed: bool
    workflow: WorkflowExecution
    executions: list[KubernetesExecution]


class Stage:
    """A namespace with workflows whose three steps are to be undone."""

    def __init__(self, cluster: "LocalCluster", api: ApiCluster, namespace: str) -> None:
        self._kubeconfig = cluster.kubeconfig
        self._api = api
        self._namespace = namespace
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def undo(self, death: Death) -> Undone:
        """Let a service begin the way back, and another one go on where it died."""
        name = f"undo-{death.when}-{death.at}"
        async with self._gate:
            key = await self._stopped(name)
            killed = await dying.is_killed(
                dying.way_back, kubeconfig=self._kubeconfig, key=key, identity="first", death=death
            )
            await dying.way_back(self._kubeconfig, key=key, identity="second")
            raw = await self._api.read(WORKFLOW_EXECUTION, name, namespace=self._namespace)
            found = await ExecutionStore(self._api).of_workflow(self._namespace, key.uid)
        assert raw is not None
        return Undone(
            death=death,
            name=name,
            killed=killed,
            workflow=decoded(raw, WorkflowExecution),
            executions=[each for each in found if each.spec.kind is ExecutionKind.ROLLBACK],
        )

    async def _stopped(self, name: str) -> WorkflowKey:
        """Make a workflow that has failed after its three steps had changed an object each."""
        targets = {step: await self._target(f"{name}-{step}") for step in STEPS}
        stopped = failed_after(*(_step(step, name) for step in STEPS))
        body = {
            "apiVersion": WORKFLOW_EXECUTION.api_version,
            "kind": WORKFLOW_EXECUTION.kind,
            "metadata": {"name": name},
            "spec": to_json(stopped.spec),
        }
        made = await self._api.create(WORKFLOW_EXECUTION, body, namespace=self._namespace)
        meta = msgspec.structs.replace(
            stopped.metadata,
            name=name,
            namespace=self._namespace,
            uid=Uid(made["metadata"]["uid"]),
        )
        workflow = msgspec.structs.replace(stopped, metadata=meta)
        for step, target in targets.items():
            await self._executed(workflow, step, target)
        await self._api.patch(
            WORKFLOW_EXECUTION,
            name,
            {"status": to_json(stopped.status)},
            namespace=self._namespace,
            subresource="status",
        )
        return WorkflowKey(namespace=self._namespace, name=name, uid=meta.uid)

    async def _target(self, name: str) -> Object:
        body = {
            "apiVersion": CONFIG_MAP.api_version,
            "kind": CONFIG_MAP.kind,
            "metadata": {"name": name},
            "data": {"a": "after"},
        }
        return await self._api.create(CONFIG_MAP, body, namespace=self._namespace)

    async def _executed(self, workflow: WorkflowExecution, step: str, target: Object) -> None:
        """Make the execution of a step as an executor has left it."""
        execution = execution_of(
            workflow, step, phase=ExecutionPhase.COMPLETED, captured=_inverse(target)
        )
        await self._api.create(KUBERNETES_EXECUTION, new_body(execution), namespace=self._namespace)
        await self._api.patch(
            KUBERNETES_EXECUTION,
            execution.metadata.name,
            {"status": to_json(execution.status)},
            namespace=self._namespace,
            subresource="status",
        )


@pytest.mark.timeout(300)
async def test_row_97_a_rollback_killed_at_any_request_undoes_each_step_once(
    cluster: "LocalCluster", api: ApiCluster, kubectl: Kubectl
) -> None:
    audited = AuditedRequests(cluster.audit_log)
    stage = Stage(cluster, api, kubectl.namespace)

    undone = await _killed_everywhere(stage)

    executions = kubectl.items("kex")
    assert audited.differences(kubectl.namespace, executions, exact=True) == []
    requests = audited.read(kubectl.namespace)
    for each in undone:
        _check(each, requests)


async def _killed_everywhere(stage: Stage) -> list[Undone]:
    """Kill at the first request, at the second, until a way back ends before it is killed."""
    undone: list[Undone] = []
    while all(each.killed for each in undone):
        first = len(undone) // len(When) + 1 if BOTH_SIDES else len(undone) + 1
        undone += await asyncio.gather(*(stage.undo(death) for death in _deaths(first)))
    return undone


def _deaths(first: int) -> list[Death]:
    """Return the next deaths to try, as many as go at once."""
    if BOTH_SIDES:
        at = range(first, first + AT_ONCE // len(When))
        return [Death(at=number, when=when) for number in at for when in When]
    sides = list(When)
    at = range(first, first + AT_ONCE)
    return [Death(at=number, when=sides[number % len(sides)]) for number in at]


def _check(undone: Undone, requests: list[Request]) -> None:
    told = f"killed {undone.death}: {undone.workflow.status.message}"
    assert undone.workflow.status.phase is Phase.ROLLED_BACK, told
    ends = {
        (each.spec.step_name, each.spec.attempt): each.status.phase for each in undone.executions
    }
    assert ends == dict.fromkeys([(step, 1) for step in STEPS], ExecutionPhase.COMPLETED), told
    assert len(undone.executions) == len(STEPS), told
    about = [each.record for each in requests if each.record.name.startswith(f"{undone.name}-")]
    about.sort(key=lambda record: int(record.resource_version_after))
    names = [record.name for record in about]
    assert names == [f"{undone.name}-{step}" for step in reversed(STEPS)], told


def _step(step: str, name: str) -> Step:
    wanted = UpdateConfigmap(config_map=f"{name}-{step}", data={"a": "after"})
    return Step(
        name=step, action="update_configmap", parameters=Parameters(update_configmap=wanted)
    )


def _inverse(target: Object) -> CapturedInverse:
    meta = target["metadata"]
    back = UpdateConfigmap(config_map=meta["name"])
    return CapturedInverse(
        available=True,
        rollback_action="update_configmap",
        rollback_parameters=Parameters(update_configmap=back),
        target=TargetRef(
            kind=CONFIG_MAP.kind,
            name=meta["name"],
            namespace=meta["namespace"],
            uid=meta["uid"],
        ),
        resource_version=meta["resourceVersion"],
        before={"data.a": '"before"'},
        after={"data.a": '"after"'},
    )
