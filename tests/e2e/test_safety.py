"""What the safety policies deny, live: before a step, and on the way back."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.control import condition as condition_of
from tests.support.control import executions, release, step_names, steps_of
from tests.support.guarded import events, told
from tests.support.kubectl import Kubectl, Object
from tests.support.namespaces import fresh_namespace
from tests.support.services import Services
from tests.support.workflows import deployment, image, notify, scale, wait_available, workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

ENDS: Final = ("Completed", "Failed", "RolledBack", "RollbackFailed")
PROTECTED: Final = "kube-system"
ARGO_CD: Final = {"argocd.argoproj.io/instance": "shop"}
OWNED: Final[dict[str, tuple[Object, str]]] = {
    "argo-cd": ({"labels": ARGO_CD}, "Argo CD"),
    "tracked": ({"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps"}}, "Argo CD"),
    "flux": ({"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}}, "Flux"),
    "helm": ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "Helm"),
}
"""What a GitOps tool writes on its objects, and who is then named."""
CONTROL_PLANE: Final = "node-role.kubernetes.io/control-plane"
NODE: Final = "safety-control-plane"
CORDON: Final[Object] = {
    "name": "a",
    "action": "cordon_node",
    "parameters": {"cordonNode": {"node": NODE}},
}


@pytest.fixture(scope="module")
def space(cluster: "LocalCluster") -> Iterator[Kubectl]:
    """Kubectl in the namespace of this module, with objects that are not to be touched."""
    kubectl = fresh_namespace(cluster, "safety")
    marked = [_marked(name, marks) for name, (marks, _) in OWNED.items()]
    critical = _marked("critical", {"labels": {"critical": "true"}})
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NODE, "labels": {CONTROL_PLANE: ""}},
        "spec": {"taints": [{"key": CONTROL_PLANE, "effect": "NoSchedule"}]},
    }
    kubectl.apply({"apiVersion": "v1", "kind": "List", "items": [*marked, critical, node]})
    yield kubectl
    kubectl.ok("delete", "node", NODE)


@pytest.fixture(scope="module")
def protected(cluster: "LocalCluster") -> Iterator[Kubectl]:
    """Kubectl in a namespace that holds the cluster, with a Deployment in it."""
    from deploy.local.kubectl import ensure_kubectl

    kubectl = Kubectl(cluster.kubeconfig, namespace=PROTECTED, program=str(ensure_kubectl()))
    kubectl.apply(deployment("dns", replicas=0))
    yield kubectl
    kubectl.ok("delete", "deployment/dns", "wfe/denied")


@pytest.fixture(scope="module")
def ended(space: Kubectl, module_services: Services) -> dict[str, Object]:
    """Return workflows that have ended, begun all at once."""
    del module_services
    bodies = [
        *(workflow(name, [image("a", name, "registry.example/web:2")]) for name in OWNED),
        workflow("to-zero", [scale("a", "critical", 0)]),
        workflow("to-one", [scale("a", "critical", 1)]),
        workflow("beside", [scale("a", "critical", 0), scale("b", "api", 3)]),
        workflow("node", [CORDON]),
    ]
    everything = {"apiVersion": "v1", "kind": "List", "items": bodies}
    space.ok("create", "-f", "-", stdin=json.dumps(everything))
    names = [body["metadata"]["name"] for body in bodies]
    return {name: space.wait_phase(name, *ENDS) for name in names}


def test_row_72_a_protected_namespace_is_left_alone(
    protected: Kubectl, module_services: Services
) -> None:
    protected.apply(workflow("denied", [scale("a", "dns", 3), notify("b", "a")]))

    done = protected.wait_phase("denied", *ENDS)

    why = "safety_namespaces.rego: namespace kube-system is protected"
    step = steps_of(done)["a"]
    assert (step["phase"], step["reason"], step["errorType"], step["message"]) == (
        "Failed",
        "PolicyViolation",
        "policy_denied",
        why,
    )
    assert step["safety"]["allowed"] is False
    assert step["safety"]["reasons"] == [why]
    assert step["safety"]["policyRevision"].startswith("builtin-")
    assert executions(protected, "denied") == []
    assert protected.get("deployment", "dns")["spec"]["replicas"] == 0
    said = condition_of(done, "PolicyViolation")
    assert (said["status"], said["reason"]) == ("True", "SafetyPolicyDenied")
    assert said["message"] == f"step a: {why}"
    assert told(protected, "denied", "PolicyViolation") == f"step a: {why}"
    assert done["status"]["message"] == f"step a failed: {why}"
    labels = 'action="scale_deployment",answered="true",policy="safety_namespaces.rego"'
    denied = f"policy_denials_total{{{labels}}}"
    assert module_services.metrics("orchestrator")[denied] >= 1


def test_row_72_an_undo_is_judged_too(space: Kubectl, module_services: Services) -> None:
    del module_services
    missing = image("c", "api", "registry.example/web:4", "b", container="missing")
    steps = [scale("a", "web", 3), wait_available("b", "gate", "a"), missing]
    space.apply(workflow("undone", steps, rollback="Automatic"))
    step_done = ("wait", "wfe/undone", "--timeout=60s")
    space.ok(*step_done, "--for=jsonpath={.status.completedSteps}=1")
    space.ok("label", "deployment/web", "argocd.argoproj.io/instance=shop")
    release(space, "gate")

    done = space.wait_phase("undone", *ENDS)

    assert done["status"]["phase"] == "RollbackFailed"
    undo = {step["name"]: step for step in done["status"]["rollback"]["steps"]}["a"]
    assert (undo["phase"], undo["reason"]) == ("Failed", "PolicyViolation")
    assert "Argo CD owns the target" in undo["message"]
    assert condition_of(done, "PolicyViolation")["message"] == f"undo of a: {undo['message']}"
    assert told(space, "undone", "PolicyViolation") == f"undo of a: {undo['message']}"
    assert step_names(executions(space, "undone")) == ["a", "b", "c"]
    assert space.get("deployment", "web")["spec"]["replicas"] == 3


@pytest.mark.parametrize("name", OWNED)
def test_row_74_what_a_gitops_tool_owns_is_left_alone(
    space: Kubectl, ended: dict[str, Object], name: str
) -> None:
    step = steps_of(ended[name])["a"]
    owner = OWNED[name][1]

    assert (step["phase"], step["reason"]) == ("Failed", "PolicyViolation")
    assert step["message"] == (
        f"safety_gitops.rego: {owner} owns the target: escalate, and change it in Git"
    )
    assert executions(space, name) == []
    assert events(space, name, "PolicyViolation")


def test_row_74_what_is_critical_is_not_scaled_to_zero(
    space: Kubectl, ended: dict[str, Object]
) -> None:
    step = steps_of(ended["to-zero"])["a"]

    assert step["message"] == "safety_scaling.rego: something critical is never scaled to zero"
    assert executions(space, "to-zero") == []
    assert ended["to-one"]["status"]["phase"] == "Completed"
    assert step_names(executions(space, "beside")) in ([], ["b"])
    assert steps_of(ended["beside"])["a"]["phase"] == "Failed"


def test_row_74_a_node_of_the_control_plane_is_left_alone(
    space: Kubectl, ended: dict[str, Object]
) -> None:
    step = steps_of(ended["node"])["a"]

    assert step["message"] == f"safety_nodes.rego: node {NODE} belongs to the control plane"
    assert executions(space, "node") == []


def _marked(name: str, marks: Object) -> Object:
    target = deployment(name)
    target["metadata"] |= marks
    return target
