"""Each service works with the rights of its own account: enough, and not one more."""

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from cli.namespaces.choosing import WITHIN
from cli.namespaces.manifests import opted_in
from shared.api.enums import Action
from shared.effects.identities import account_of, user_of
from shared.effects.rights import RIGHTS
from tests.support.kubectl import Kubectl, Object
from tests.support.rights import (
    SYSTEM,
    Right,
    documents,
    granted,
    kubeconfigs,
    requests,
    watchful_policy,
)
from tests.support.servers import RBAC, running_cluster
from tests.support.services import NAMES, Services
from tests.support.workflows import notify, scale, workflow
from tests.support.world import Case, World, diamond_case, rollback_case

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster
    from shared.bus.embedded import EmbeddedServer

WFE: Final = "workflowexecution.kubernaut.ai"
KEX: Final = "kubernetesexecution.kubernaut.ai"
AIAR: Final = "approval.kubernaut.ai"
NOTIF: Final = "notification.kubernaut.ai"
OWNER: Final = Right("update", WFE, "workflowexecutions/finalizers")

OTHER_TARGETS: Final = {
    Right("get", group, resource)
    for group, resources in {
        "apps": ("statefulsets", "daemonsets"),
        "batch": ("jobs", "cronjobs"),
        "autoscaling": ("horizontalpodautoscalers",),
        "policy": ("poddisruptionbudgets",),
        "networking.k8s.io": ("networkpolicies", "ingresses"),
        "": (
            "configmaps",
            "services",
            "persistentvolumeclaims",
            "podtemplates",
            "nodes",
            "pods",
        ),
    }.items()
    for resource in resources
}
"""What safety policies get to see of targets that these workflows do not have."""

RARELY_USED: Final[Mapping[str, set[Right]]] = {
    "watcher": set(),
    "planner": {
        OWNER,
        Right("get", "remediation.kubernaut.io", "remediationrequests"),  # on that way only
        Right("get", "apps", "deployments"),  # only where a step has preconditions
        Right("create", AIAR, "aiapprovalrequests"),  # when a plan needs a person
        Right("get", AIAR, "aiapprovalrequests"),
        Right("expire", AIAR, "aiapprovalrequests"),  # asked by admission, never a request
        Right("patch", AIAR, "aiapprovalrequests/status"),
        Right("create", NOTIF, "notificationrequests"),
        Right("get", NOTIF, "notificationrequests"),  # only when a create meets its first try
    },
    "orchestrator": OTHER_TARGETS
    | {
        OWNER,  # asked by admission, on behalf of a create
        Right("patch", KEX, "kubernetesexecutions/status"),  # cancels what nobody claimed
        Right("get", WFE, "concurrencypools"),  # only where ceilings are asked for
        Right("patch", WFE, "concurrencypools/status"),
    },
    "executor": {
        Right("watch", KEX, "kubernetesexecutions"),  # while another workflow holds a target
    },
    "monitor": set(),
    "rollback": OTHER_TARGETS
    | {
        OWNER,
        Right("get", KEX, "kubernetesexecutions"),  # only when a create meets its first try
        Right("patch", KEX, "kubernetesexecutions/status"),  # revokes what nobody took up
    },
}
"""Granted, and not seen in every run, with the reason."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator["LocalCluster"]:
    """A control plane that writes down all that services ask for, and checks owners too."""
    place = tmp_path_factory.mktemp("cluster")
    flags = (
        f"--audit-policy-file={watchful_policy(place)}",
        "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
    )
    with running_cluster(place / "local", apiserver_flags=flags) as running:
        yield running


@pytest.fixture(scope="module")
def log(
    cluster: "LocalCluster",
    nats_server: "EmbeddedServer",
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Everything that the API server was asked while workflows ran from begin to end."""
    services = Services(
        kubeconfig=cluster.kubeconfig,
        kubeconfigs=kubeconfigs(cluster),
        nats_url=nats_server.url,
        namespace="",
        logs=tmp_path_factory.mktemp("services"),
    )
    cases = [diamond_case(), rollback_case(), _waiting_case(), _guarded_case()]
    world = World(cluster, "rights", cases)
    world.prepare(opted_in("rights", WITHIN, system_namespace=SYSTEM))
    _make_what_is_waited_for(world.kubectl)
    with services:
        world.begin()
        _ask_for_a_job(world.kubectl)
        world.finish()
    _check_events(world.kubectl)
    return cluster.audit_log


def test_nothing_is_refused(log: Path) -> None:
    refused = [each for each in requests(log) if each.code == HTTPStatus.FORBIDDEN]

    assert refused == []


@pytest.mark.parametrize("service", NAMES)
def test_what_is_granted_is_used(log: Path, service: str) -> None:
    own = [each for each in requests(log) if not each.on_behalf_of]
    used = {each.right for each in own if each.service == service}

    assert used
    assert granted(service) - used <= RARELY_USED[service]
    assert RARELY_USED[service] <= granted(service)


def test_row_105_targets_are_seen_and_changed_by_the_account_of_the_action(log: Path) -> None:
    done = [each for each in requests(log) if each.on_behalf_of]
    accounts = {
        user_of("rights", account_of(action)): {
            Right(verb, rule.group, resource)
            for rule in rights.rules
            for verb in rule.verbs
            for resource in rule.resources
        }
        for action, rights in RIGHTS.items()
    }

    assert {each.service for each in done} == {"executor"}
    assert all(each.right in accounts[each.on_behalf_of] for each in done)
    patching = {each.on_behalf_of for each in done if each.right.verb == "patch"}
    changing = (Action.SCALE_DEPLOYMENT, Action.UPDATE_IMAGE, Action.RESTART_DEPLOYMENT)
    assert patching == {user_of("rights", account_of(action)) for action in changing}


@pytest.mark.parametrize("service", NAMES)
def test_dangerous_rights_are_granted_to_nobody(service: str) -> None:
    rights = granted(service)

    assert not {"*", "delete", "deletecollection", "escalate", "bind", "impersonate"} & {
        right.verb for right in rights
    }
    assert not {"*", "secrets", "pods/exec", "nodes/proxy", "serviceaccounts/token"} & {
        right.resource for right in rights
    }
    assert not {"*", "rbac.authorization.k8s.io", "admissionregistration.k8s.io"} & {
        right.group for right in rights
    }
    assert all(right.resource != "*" for right in rights)


@pytest.mark.parametrize(
    ("service", "words", "allowed"),
    [
        ("executor", "get deployments", False),
        ("executor", "patch deployments", False),
        ("executor", "impersonate serviceaccounts", False),
        ("executor", "delete pods", False),
        ("executor", "get secrets", False),
        ("executor", "patch workflowexecutions --subresource=status", False),
        ("orchestrator", "patch deployments", False),
        ("orchestrator", "delete kubernetesexecutions", False),
        ("orchestrator", "patch workflowexecutions", False),
        ("planner", "create kubernetesexecutions", False),
        ("planner", "create aiapprovalrequests", True),
        ("planner", "get configmaps", False),
        ("planner", "list configmaps --namespace=kubernaut-system", True),
        ("orchestrator", "patch aiapprovalrequests --subresource=status", False),
        ("orchestrator", "get secrets", False),
        ("orchestrator", "get secrets --namespace=kubernaut-system", False),
        ("monitor", "get secrets", False),
        ("rollback", "get secrets", False),
        ("rollback", "list pods", False),
        ("planner", "get secrets", False),
        ("planner", "get deployments", True),
        ("planner", "patch deployments", False),
        ("planner", "override workflowexecutions", False),
        ("orchestrator", "override workflowexecutions", False),
        ("monitor", "get deployments", True),
        ("monitor", "patch deployments", False),
        ("monitor", "list nodes", False),
        ("rollback", "create kubernetesexecutions", True),
        ("rollback", "patch deployments", False),
        ("watcher", "patch workflowexecutions --subresource=status", False),
        ("watcher", "patch aiapprovalrequests --subresource=status", False),
    ],
)
def test_the_server_agrees(
    cluster: "LocalCluster", service: str, words: str, allowed: bool
) -> None:
    from deploy.local.kubectl import ensure_kubectl

    kubectl = Kubectl(
        kubeconfigs(cluster)[service], namespace="default", program=str(ensure_kubectl())
    )

    answer = kubectl.run("auth", "can-i", *words.split())

    assert answer.stdout.strip() == ("yes" if allowed else "no"), answer.stderr


def test_the_account_of_all_in_one_has_the_rights_of_all() -> None:
    bound = {
        (each["roleRef"]["kind"], each["roleRef"]["name"])
        for each in documents(RBAC / "all-in-one.yaml")
        if each["kind"].endswith("Binding")
    }
    roles = {
        (each["kind"], each["metadata"]["name"])
        for service in NAMES
        for each in documents(RBAC / f"{service}.yaml")
        if each["kind"].endswith("Role")
    }

    assert bound == roles


@pytest.mark.parametrize("service", NAMES)
def test_each_account_is_bound_to_its_own_role_only(service: str) -> None:
    found = documents(RBAC / f"{service}.yaml")
    name = f"mendflow-{service}"

    assert {each["metadata"]["name"] for each in found} == {name}
    for each in found:
        if each["kind"].endswith("Binding"):
            (subject,) = each["subjects"]
            assert (subject["name"], subject["namespace"]) == (name, SYSTEM)
            assert each["roleRef"]["name"] == name


def _waiting_case() -> Case:
    targets = {"w": ("Deployment", "web", "Available"), "j": ("Job", "once", "Complete")}
    targets["p"] = ("Pod", "alone", "Ready")
    steps = [
        {
            "name": step,
            "action": "wait_for_condition",
            "parameters": {
                "waitForCondition": {
                    "targetResource": {"kind": kind, "name": name},
                    "condition": condition,
                }
            },
        }
        for step, (kind, name, condition) in targets.items()
    ]
    return Case(
        body=workflow("waiting", [*steps, notify("n")]),
        phases=["Executing", "Completed"],
        steps=dict.fromkeys("wjpn", "Completed"),
        executions={f"forward/{step}/1": "Completed" for step in "wjpn"},
        effects={},
    )


def _guarded_case() -> Case:
    """Return a step whose conditions, before it and after it, look at all that there is."""
    before = ("deployment_exists", "cluster_capacity_available")
    after = ("desired_replicas_running", "no_crashloop_pods")
    step = scale("g", "guarded", 3) | {
        "preConditions": [{"type": name, "description": name} for name in before],
        "postConditions": [{"type": name, "description": name} for name in after],
    }
    return Case(
        body=workflow("guarded", [step]),
        phases=["Executing", "Completed"],
        steps={"g": "Completed"},
        executions={"forward/g/1": "Completed"},
        effects={"guarded": ["replicas=3"]},
    )


def _ask_for_a_job(kubectl: Kubectl) -> None:
    """Have a step planned whose Job has an account and no template."""
    parameters = {"failoverDatabase": {"database": "orders"}}
    step = {"name": "f", "action": "failover_database", "parameters": parameters}
    kubectl.apply(workflow("refused", [step]))
    done = kubectl.wait_phase("refused", "Failed", "Completed")
    (error,) = done["status"]["validationResults"]["validationErrors"]
    assert "there is no PodTemplate failover-database" in error


def _make_what_is_waited_for(kubectl: Kubectl) -> None:
    pod: Object = {"containers": [{"name": "app", "image": "registry.example/web:1"}]}
    once = {"template": {"spec": {**pod, "restartPolicy": "Never"}}}
    for kind, version, name, spec in (
        ("Pod", "v1", "alone", pod),
        ("Job", "batch/v1", "once", once),
    ):
        body = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}
        kubectl.ok("create", "-f", "-", stdin=json.dumps(body))


def _check_events(kubectl: Kubectl) -> None:
    """See that events were written: nobody fails when they are refused."""
    tellers = {each["source"].get("component", "") for each in kubectl.items("events")}
    assert {f"mendflow-{name}" for name in NAMES if name != "watcher"} <= tellers
