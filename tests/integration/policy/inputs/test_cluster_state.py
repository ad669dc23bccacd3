"""What policies get to see of a real cluster, read with the rights of the services."""

import asyncio
import json
from collections import Counter
from typing import Any

import msgspec
import pytest

from shared.api.groups import NODE, Kind
from shared.api.meta import SUBMITTED_BY_ANNOTATION
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Step, StepCondition
from shared.effects.quantities import parsed
from shared.errors import PermanentError, TransientError
from shared.kube.client import ApiCluster
from shared.kube.port import Listing
from shared.worker.cluster_state import ClusterReader
from tests.integration.policy.inputs.conftest import Open, SetClock
from tests.support.builders import make_workflow, notify_step, scale_step
from tests.support.kubectl import Kubectl, Object, eventually
from tests.support.workflows import deployment

STEP = scale_step("web", replicas=5)
NODES = 3
_KEY = "hunter2"


class Gate(ApiCluster):
    """Lists nodes only once the gate is open."""

    opened: asyncio.Event
    waiting: asyncio.Event

    async def list(self, kind: Kind, *, namespace: str = "", label_selector: str = "") -> Listing:
        """Return a list as a cluster does."""
        if kind == NODE:
            self.waiting.set()
            await self.opened.wait()
        return await super().list(kind, namespace=namespace, label_selector=label_selector)


def _workflow(kubectl: Kubectl, **annotations: str) -> WorkflowExecution:
    made = make_workflow([STEP])
    meta = msgspec.structs.replace(
        made.metadata, namespace=kubectl.namespace, annotations=annotations
    )
    return msgspec.structs.replace(made, metadata=meta)


def _deployed(kubectl: Kubectl, *, trouble: str = "", **of_pods: Any) -> None:
    """Make a Deployment of two pods and wait until its status speaks of them."""
    body = deployment("web")
    body["metadata"]["labels"] = {"critical": "true"}
    template = body["spec"]["template"]
    template["spec"] |= of_pods
    template["spec"]["containers"][0]["resources"] = {
        "requests": {"cpu": "7", "memory": "3145728Ki"}
    }
    if trouble:
        template["metadata"]["annotations"] = {"mendflow.test/pod": trouble}
    kubectl.apply(body)

    def settled(live: Object) -> bool:
        status = live.get("status", {})
        wanted = "unavailableReplicas" if trouble else "availableReplicas"
        return bool(status.get("updatedReplicas") == status.get(wanted) == 2)

    eventually(lambda: kubectl.get("deployment", "web"), settled)


async def _seen(
    reader: ClusterReader, kubectl: Kubectl, step: Step = STEP, *, fresh: bool = False
) -> dict[str, Any]:
    return await reader.condition_input(
        _workflow(kubectl), step, parameters=step.parameters, fresh=fresh
    )


async def _judged(
    reader: ClusterReader, workflow: WorkflowExecution, step: Step = STEP
) -> dict[str, Any]:
    return await reader.safety_input(
        workflow,
        action=step.action,
        parameters=step.parameters,
        step_name=step.name,
        rollback=False,
    )


async def test_preconditions_see_a_deployment_its_pods_and_the_room(
    connect: Open, kubectl: Kubectl, clock: SetClock
) -> None:
    _deployed(kubectl)

    data = await _seen(ClusterReader(await connect("orchestrator"), clock), kubectl)

    assert data["deployment_found"] is True
    assert data["conditions"] == {"Available": True, "Progressing": True, "ReplicaFailure": False}
    assert (data["current_replicas"], data["target_replicas"]) == (2, 5)
    assert (data["running_pods"], data["ready_pods"], data["additional_replicas"]) == (2, 2, 3)
    assert [each["status"] for each in data["pods"]] == ["Running", "Running"]
    assert data["required_cpu_per_pod"] == "7000m"
    assert data["required_memory_per_pod"] == str(3 * 2**30)
    assert data["ready_nodes"] == data["matching_nodes"] == NODES
    # Pods of other tests may hold some of it too.
    assert parsed(data["largest_gap_cpu"]) <= 32
    assert parsed(data["largest_gap_cpu"]) <= parsed(data["available_cpu"]) <= 3 * 32 - 2 * 7
    assert parsed(data["available_memory"]) <= (3 * 256 - 2 * 3) * 2**30


async def test_postconditions_see_pods_that_crash(
    connect: Open, kubectl: Kubectl, clock: SetClock
) -> None:
    _deployed(kubectl, trouble="fail")
    eventually(
        lambda: [
            list(each["state"])
            for pod in kubectl.items("pods")
            for each in pod["status"].get("containerStatuses", [])
        ],
        lambda states: states == [["waiting"], ["waiting"]],
    )

    data = await _seen(ClusterReader(await connect("monitor"), clock), kubectl, fresh=True)

    assert [each["status"] for each in data["pods"]] == ["CrashLoopBackOff"] * 2
    assert (data["ready_pods"], data["deployment_available"]) == (0, False)
    assert "available_cpu" not in data


async def test_a_deployment_that_is_not_there_is_not_found(
    connect: Open, kubectl: Kubectl, clock: SetClock
) -> None:
    reader = ClusterReader(await connect("orchestrator"), clock)

    data = await _seen(reader, kubectl)
    safety = await _judged(reader, _workflow(kubectl))

    assert (data["deployment_found"], data["pods"]) == (False, [])
    assert safety["target_resource"]["found"] is False


async def test_nodes_and_all_pods_are_read_once_in_five_seconds(
    connect: Open, kubectl: Kubectl, clock: SetClock, lists: Counter[str]
) -> None:
    reader = ClusterReader(await connect("orchestrator"), clock)

    await asyncio.gather(*(_seen(reader, kubectl) for _ in range(5)))
    pages = lists["pods"]  # of what all tests left behind
    clock.seconds += 4.9
    await _seen(reader, kubectl)
    assert (lists["nodes"], lists["pods"], lists["deployments"]) == (1, pages, 6)

    clock.seconds += 0.1
    await _seen(reader, kubectl)
    assert (lists["nodes"], lists["pods"]) == (2, 2 * pages)


async def test_a_change_is_seen_at_once_where_nothing_old_may_be_used(
    connect: Open, kubectl: Kubectl, clock: SetClock
) -> None:
    reader = ClusterReader(await connect("monitor"), clock)
    assert not (await _seen(reader, kubectl, fresh=True))["deployment_found"]

    _deployed(kubectl)

    assert (await _seen(reader, kubectl, fresh=True))["ready_pods"] == 2


async def test_who_stops_waiting_does_not_take_the_answer_from_others(
    connect: Open, kubectl: Kubectl, clock: SetClock, lists: Counter[str]
) -> None:
    gate = await connect("orchestrator", Gate)
    assert isinstance(gate, Gate)
    gate.opened, gate.waiting = asyncio.Event(), asyncio.Event()
    reader = ClusterReader(gate, clock)
    first = asyncio.ensure_future(_seen(reader, kubectl))
    async with asyncio.timeout(60):
        await gate.waiting.wait()
    second = asyncio.ensure_future(_seen(reader, kubectl))
    first.cancel()
    await asyncio.wait([first])
    gate.opened.set()

    assert (await second)["ready_nodes"] == NODES
    assert lists["nodes"] == 1


async def test_what_may_not_be_read_is_an_error_and_is_asked_again(
    connect: Open, kubectl: Kubectl, clock: SetClock, lists: Counter[str]
) -> None:
    reader = ClusterReader(await connect("watcher"), clock)

    with pytest.raises(PermanentError, match="forbidden"):
        await _seen(reader, kubectl)
    assert "nodes" not in lists
    for _ in range(2):
        with pytest.raises(PermanentError, match="forbidden"):
            await _judged(reader, _workflow(kubectl), notify_step("n"))

    assert lists["nodes"] == 2


async def test_an_api_server_that_does_not_answer_is_an_error(
    connect: Open, kubectl: Kubectl, clock: SetClock
) -> None:
    lost = await connect("orchestrator")
    reader = ClusterReader(lost, clock)
    await _seen(reader, kubectl)
    lost._configuration.host = "https://127.0.0.1:1"

    with pytest.raises(TransientError):
        await _seen(reader, kubectl, fresh=True)
    with pytest.raises(TransientError):
        await _judged(reader, _workflow(kubectl))


async def test_secrets_are_read_only_for_a_condition_that_names_them(
    connect: Open, kubectl: Kubectl, clock: SetClock
) -> None:
    data = json.dumps({"auths": {"registry.example": {"auth": _KEY}}})
    kubectl.ok(
        "create", "secret", "generic", "good", "--type=kubernetes.io/dockerconfigjson",
        f"--from-literal=.dockerconfigjson={data}",
    )  # fmt: skip
    kubectl.ok("create", "secret", "generic", "plain", f"--from-literal=key={_KEY}")
    named = [{"name": name} for name in ("good", "plain", "ghost")]
    _deployed(kubectl, imagePullSecrets=named)
    condition = StepCondition(type="image_pull_secrets_valid", description="can be pulled")
    asking = msgspec.structs.replace(STEP, pre_conditions=[condition])
    reader = ClusterReader(await connect("orchestrator"), clock)

    without = await _seen(reader, kubectl)
    unread = await _seen(reader, kubectl, asking)
    each = [f"--resource-name={secret['name']}" for secret in named]
    kubectl.ok("create", "role", "pullers", "--verb=get", "--resource=secrets", *each)
    account = "kubernaut-system:mendflow-orchestrator"
    kubectl.ok("create", "rolebinding", "pullers", "--role=pullers", f"--serviceaccount={account}")
    asked = ("auth", "can-i", "get", "secrets/ghost", f"--as=system:serviceaccount:{account}")
    eventually(lambda: kubectl.run(*asked), lambda done: done.returncode == 0)
    told = await _seen(reader, kubectl, asking)

    assert "invalid_secrets" not in without
    assert unread.keys() - without.keys() == {"image_pull_secrets_unread"}
    told_why = f"no right to get good, plain, ghost in namespace {kubectl.namespace}"
    assert unread["image_pull_secrets_unread"] == told_why
    assert (told["image_pull_secrets_exist"], told["image_pull_secrets_valid"]) == (False, False)
    assert told["invalid_secrets"] == ["ghost", "plain"]
    assert _KEY not in json.dumps(told)


@pytest.mark.parametrize("service", ["orchestrator", "rollback"])
async def test_safety_policies_see_the_target_as_it_is(
    connect: Open, kubectl: Kubectl, clock: SetClock, service: str
) -> None:
    _deployed(kubectl)
    kubectl.ok("label", "namespace", kubectl.namespace, "environment=production")
    workflow = _workflow(kubectl, **{SUBMITTED_BY_ANNOTATION: "ann"})

    data = await _judged(ClusterReader(await connect(service), clock), workflow)

    target = data["target_resource"]
    assert (target["found"], target["kind"], target["name"]) == (True, "Deployment", "web")
    assert (target["labels"], target["replicas"]) == ({"critical": "true"}, 2)
    assert data["production"] is True
    assert data["cluster_info"] == {
        "total_nodes": NODES,
        "available_nodes": NODES,
        "control_plane_nodes": 0,
    }
    assert data["metadata"]["submitter"] == "ann"
