"""What the executor may do in the name of others: as the account of one action, in one namespace.

The executor is itself here, with its own account and the manifests that ship; namespaces are
opted in by what `mendflow namespace` prints.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from cli.namespaces.choosing import BEYOND
from shared.api.enums import Action
from shared.api.groups import DEPLOYMENT, POD, Kind
from shared.clock import SystemClock
from shared.effects.identities import account_of, user_of
from shared.effects.rights import RIGHTS, Scope
from shared.errors import PermanentError
from shared.kube.client import ApiCluster
from tests.support.admission import SYSTEM
from tests.support.kubectl import Kubectl, eventually
from tests.support.namespaces import opted_in_namespace
from tests.support.servers import kubectl
from tests.support.workflows import deployment, pod

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

EXECUTOR: Final = user_of(SYSTEM, "mendflow-executor")
GROUPS: Final = ("system:serviceaccounts", f"system:serviceaccounts:{SYSTEM}")
SCALE: Final = account_of(Action.SCALE_DEPLOYMENT)
DELETE_POD: Final = account_of(Action.DELETE_POD)
RULES_REVIEW: Final = Kind(
    group="authorization.k8s.io",
    version="v1",
    kind="SelfSubjectRulesReview",
    plural="selfsubjectrulesreviews",
    namespaced=False,
)
MORE: Final = {"spec": {"replicas": 2}}


class Granted(NamedTuple):
    """One verb on one resource."""

    verb: str
    group: str
    resource: str


@dataclass(frozen=True)
class Place:
    """Two namespaces, each with a Deployment and a pod."""

    whole: str
    """Opted in for everything."""
    part: str
    """Opted in for scaling alone; the account of delete_pod was made by somebody else."""


@pytest.fixture(scope="module")
def place(cluster: "LocalCluster") -> Place:
    """The namespaces, opted in."""
    whole = opted_in_namespace(cluster, "opted in whole", cluster_actions=",".join(BEYOND))
    part = opted_in_namespace(cluster, "opted in part", actions="scale_deployment")
    part.ok("create", "serviceaccount", DELETE_POD)
    for space in (whole, part):
        _fill(space)
    return Place(whole=whole.namespace, part=part.namespace)


@pytest.fixture
async def executor(cluster: "LocalCluster") -> AsyncIterator[ApiCluster]:
    """The API server, as the executor knows it."""
    async with _connected(cluster.kubeconfig_for(EXECUTOR, groups=GROUPS)) as api:
        yield api


async def test_row_105_the_account_that_scales_cannot_delete_pods(
    executor: ApiCluster, place: Place
) -> None:
    acting = executor.acting_as(user_of(place.whole, SCALE))

    await acting.patch(DEPLOYMENT, "web", MORE, namespace=place.whole)
    uid = await _pod(executor, place.whole)
    with pytest.raises(PermanentError, match=f'{SCALE}" cannot delete resource "pods"'):
        await acting.delete(POD, "alone", uid=uid, namespace=place.whole)

    # The pod was there to be deleted by the account that may.
    deleting = executor.acting_as(user_of(place.whole, DELETE_POD))
    await deleting.delete(POD, "alone", uid=uid, namespace=place.whole)


async def test_row_105_the_executor_by_itself_touches_nothing(
    executor: ApiCluster, place: Place
) -> None:
    for kind, name in ((DEPLOYMENT, "web"), (POD, "alone")):
        with pytest.raises(PermanentError, match="cannot get resource"):
            await executor.read(kind, name, namespace=place.whole)
        with pytest.raises(PermanentError, match="cannot patch resource"):
            await executor.patch(kind, name, {}, namespace=place.whole)
        with pytest.raises(PermanentError, match="cannot delete resource"):
            await executor.delete(kind, name, uid="any", namespace=place.whole)


async def test_an_account_reaches_no_other_namespace(executor: ApiCluster, place: Place) -> None:
    acting = executor.acting_as(user_of(place.whole, SCALE))

    with pytest.raises(PermanentError, match=f'in the namespace "{place.part}"'):
        await acting.patch(DEPLOYMENT, "web", MORE, namespace=place.part)


@pytest.mark.parametrize(
    "user",
    [
        "system:serviceaccount:default:mendflow-scale-deployment",
        "system:serviceaccount:kube-system:deployment-controller",
        "system:serviceaccount:kube-system:mendflow-scale-deployment",
        f"system:serviceaccount:{SYSTEM}:mendflow-planner",
        "admin",
        "system:admin",
        "system:kube-controller-manager",
        "system:serviceaccount:{whole}:default",
        "system:serviceaccount:{part}:mendflow-delete-pod",
        "system:serviceaccount:{part}",
        "system:serviceaccount:{whole}:mendflow-scale-deployment:admin",
    ],
)
async def test_the_executor_acts_as_nobody_else(
    executor: ApiCluster, place: Place, user: str
) -> None:
    name = user.format(whole=place.whole, part=place.part)

    with pytest.raises(PermanentError, match="not opted in for this action"):
        await executor.acting_as(name).read(DEPLOYMENT, "web", namespace=place.whole)


@pytest.mark.parametrize("more", ["--as-group=system:masters", "--as-uid=1"])
def test_the_executor_adds_nothing_to_an_account(
    cluster: "LocalCluster", place: Place, more: str
) -> None:
    from deploy.local.kubectl import ensure_kubectl

    file, program = cluster.kubeconfig_for(EXECUTOR, groups=GROUPS), str(ensure_kubectl())
    executor = Kubectl(file, namespace=place.whole, program=program)
    words = ("get", "deployment", "web", f"--as={user_of(place.whole, SCALE)}")

    assert executor.run(*words).returncode == 0
    assert "cannot impersonate" in executor.run(*words, more).stderr


async def test_every_account_has_the_rights_of_its_action_and_no_other(
    cluster: "LocalCluster", place: Place
) -> None:
    spaces = (place.whole, place.part, "kube-system")
    reach = {
        Scope.NAMESPACE: {place.whole},
        Scope.CLUSTER: set(spaces),
        Scope.SYSTEM: {"kube-system"},
    }
    async with _connected(cluster.kubeconfig) as admin:
        everybody = await _rights(admin.acting_as(user_of(place.whole, "default")), place.whole)
        asked = [(action, space) for action in RIGHTS for space in spaces]
        answers = await asyncio.gather(
            *(
                _rights(admin.acting_as(user_of(place.whole, account_of(action))), space)
                for action, space in asked
            )
        )

    for (action, space), found in zip(asked, answers, strict=True):
        wanted = _wanted(action) if space in reach[RIGHTS[action].scope] else set()
        assert found - everybody == wanted, f"{action} in {space}"


def test_no_pod_runs_as_the_account_of_an_action(cluster: "LocalCluster", place: Place) -> None:
    """Whoever may write a template, or have one patched, would have the rights of all actions."""
    words = ("create", "--dry-run=server", "-n", place.whole, "-f", "-")
    for action in (Action.SCALE_DEPLOYMENT, Action.DRAIN_NODE):
        body = json.dumps(pod("sneaks", account=account_of(action)))

        with pytest.raises(AssertionError, match="no pod runs as mendflow-"):
            kubectl(cluster.kubeconfig, *words, given=body)


def test_whoever_may_edit_a_namespace_gains_nothing_from_its_accounts(
    cluster: "LocalCluster",
) -> None:
    """They may be any account of it, by the roles that Kubernetes ships.

    Those roles leave PodTemplates out, which hold nothing that a Job of them does not show.
    """
    role = json.loads(kubectl(cluster.kubeconfig, "get", "clusterrole", "edit", "-o", "json"))
    edit = {
        Granted(verb, group, resource)
        for rule in role["rules"]
        for verb in rule["verbs"]
        for group in rule.get("apiGroups", [])
        for resource in rule.get("resources", [])
    }
    within = [action for action in RIGHTS if RIGHTS[action].scope is Scope.NAMESPACE]

    assert {right for action in within for right in _wanted(action)} - edit == {
        Granted("get", "", "podtemplates")
    }


async def test_the_audit_log_names_both(
    cluster: "LocalCluster", executor: ApiCluster, place: Place
) -> None:
    acting = executor.acting_as(user_of(place.part, SCALE))
    await acting.patch(DEPLOYMENT, "web", MORE, namespace=place.part)

    def patches() -> list[tuple[str, str]]:
        lines = cluster.audit_log.read_text().splitlines()
        entries = (json.loads(line) for line in lines if f'"namespace":"{place.part}"' in line)
        return [
            (each["user"]["username"], each.get("impersonatedUser", {}).get("username", ""))
            for each in entries
            if each["verb"] == "patch" and each["objectRef"]["resource"] == "deployments"
        ]

    who = (EXECUTOR, user_of(place.part, SCALE))
    eventually(patches, lambda found: who in found, seconds=10)


def _fill(space: Kubectl) -> None:
    both = {"apiVersion": "v1", "kind": "List", "items": [deployment("web"), pod("alone")]}
    space.ok("create", "-f", "-", stdin=json.dumps(both))


async def _pod(executor: ApiCluster, namespace: str) -> str:
    """Return the uid of the pod, read by an account that may."""
    found = await executor.acting_as(user_of(namespace, DELETE_POD)).read(
        POD, "alone", namespace=namespace
    )
    assert found is not None
    uid: str = found["metadata"]["uid"]
    return uid


def _wanted(action: Action) -> set[Granted]:
    return {
        Granted(verb, rule.group, resource)
        for rule in RIGHTS[action].rules
        for verb in rule.verbs
        for resource in rule.resources
    }


async def _rights(api: ApiCluster, namespace: str) -> set[Granted]:
    body = {
        "apiVersion": RULES_REVIEW.api_version,
        "kind": RULES_REVIEW.kind,
        "spec": {"namespace": namespace},
    }
    answer = await api.create(RULES_REVIEW, body)
    assert answer["status"]["incomplete"] is False
    return {
        Granted(verb, group, resource)
        for rule in answer["status"]["resourceRules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


@asynccontextmanager
async def _connected(kubeconfig: Path) -> AsyncIterator[ApiCluster]:
    async with await ApiCluster.connect(
        kubeconfig=str(kubeconfig), field_manager="tests", qps=0, burst=1, clock=SystemClock()
    ) as api:
        yield api
