"""Executions on a real API server: one per name, one claim each, and clean answers to the late."""

from datetime import timedelta
from typing import Final

import msgspec
import pytest

from shared.api.enums import ExecutionKind, ExecutionPhase
from shared.api.execution import ExecutionStatus, KubernetesExecution
from shared.api.groups import WORKFLOW_EXECUTION
from shared.api.workflow import WorkflowExecution
from shared.errors import AlreadyExistsError, ConflictError, NotFoundError
from shared.ids import Uid
from shared.kube.client import ApiCluster
from shared.kube.store import ExecutionStore
from shared.workflow.executions import new_execution
from tests.support.builders import NOW
from tests.support.kubectl import Kubectl
from tests.support.workflows import diamond, workflow

CLAIMED: Final = ExecutionStatus(
    phase=ExecutionPhase.RUNNING, claimed_by="one", claim_fence=1, start_time=NOW
)


async def _wanted(api: ApiCluster, space: str, step: str = "a") -> KubernetesExecution:
    raw = await api.read(WORKFLOW_EXECUTION, "owner", namespace=space)
    if raw is None:
        body = workflow("owner", diamond())
        raw = await api.create(WORKFLOW_EXECUTION, body, namespace=space)
    owner = msgspec.convert(raw, WorkflowExecution)
    spec = next(each for each in owner.spec.workflow_definition.steps if each.name == step)
    return new_execution(
        owner,
        step,
        action=spec.action,
        parameters=spec.parameters,
        timeout="5m",
        attempt=1,
        fence=1,
        kind=ExecutionKind.FORWARD,
    )


async def test_row_20_creating_twice_meets_the_first(api: ApiCluster, kubectl: Kubectl) -> None:
    store, wanted = ExecutionStore(api), await _wanted(api, kubectl.namespace)

    made = await store.create(wanted)
    with pytest.raises(AlreadyExistsError):
        await store.create(wanted)

    assert made.spec == wanted.spec
    assert await store.fetch(kubectl.namespace, wanted.metadata.name) == made


async def test_only_the_executions_of_a_workflow_are_listed(
    api: ApiCluster, kubectl: Kubectl
) -> None:
    store, space = ExecutionStore(api), kubectl.namespace
    made = [await store.create(await _wanted(api, space, step)) for step in "ab"]
    uid = made[0].spec.workflow_execution_ref.uid

    found = await store.of_workflow(space, Uid(uid))

    assert {each.metadata.name for each in found} == {each.metadata.name for each in made}
    assert await store.of_workflow(space, Uid("other")) == []


async def test_one_of_two_claims_wins(api: ApiCluster, kubectl: Kubectl) -> None:
    store = ExecutionStore(api)
    made = await store.create(await _wanted(api, kubectl.namespace))
    second = msgspec.structs.replace(CLAIMED, claimed_by="two")

    await store.write_status(made, CLAIMED)
    with pytest.raises(ConflictError):
        await store.write_status(made, second)

    live = await store.fetch(kubectl.namespace, made.metadata.name)
    assert live is not None
    assert live.status == CLAIMED


async def test_a_claim_and_a_cancellation_exclude_each_other(
    api: ApiCluster, kubectl: Kubectl
) -> None:
    store, space = ExecutionStore(api), kubectl.namespace
    first, second = [await store.create(await _wanted(api, space, step)) for step in "ab"]

    await store.write_status(first, CLAIMED)
    with pytest.raises(ConflictError):
        await store.cancel(first, message="too late", now=NOW)
    cancelled = await store.cancel(second, message="in time", now=NOW + timedelta(seconds=1))
    with pytest.raises(ConflictError):
        await store.write_status(second, CLAIMED)

    assert cancelled.status.phase is ExecutionPhase.CANCELLED


async def test_a_deleted_execution_is_not_found_and_not_revived(
    api: ApiCluster, kubectl: Kubectl
) -> None:
    store, space = ExecutionStore(api), kubectl.namespace
    made = await store.create(await _wanted(api, space))
    kubectl.ok("delete", "kex", made.metadata.name)

    with pytest.raises(NotFoundError):
        await store.write_status(made, CLAIMED)

    assert await store.fetch(space, made.metadata.name) is None


async def test_row_116_an_execution_goes_with_its_workflow(
    api: ApiCluster, kubectl: Kubectl
) -> None:
    made = await ExecutionStore(api).create(await _wanted(api, kubectl.namespace))

    kubectl.ok("delete", "wfe", "owner")

    kubectl.ok("wait", "kex", made.metadata.name, "--for=delete", "--timeout=60s")
