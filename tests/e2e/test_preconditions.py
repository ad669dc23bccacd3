"""What has to hold before a step, on live objects: it starts, waits, or never will."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.control import claimed, executions, in_phase, release, step_names, steps_of
from tests.support.control import condition as condition_of
from tests.support.guarded import (
    ENDLESS,
    NO,
    YES,
    before,
    condition,
    events,
    inline,
    results,
    told,
    verdicts,
)
from tests.support.kubectl import Kubectl, Object, eventually
from tests.support.namespaces import fresh_namespace
from tests.support.services import Services
from tests.support.workflows import deployment, image, notify, scale, wait_available, workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

ENDS: Final = ("Completed", "Failed")
SHORT: Final = "1s"
"""How long what never comes is waited for."""
QUOTES: Final = "he said \"no\" \\ 'why'\n\t{{ x }} $y é ☃"
NODE_MEMORY_KI: Final = 256 * 1024 * 1024 + 1
"""Not a whole number of Mi, so that the API server leaves it in Ki."""

UNANSWERED: Final = {
    "undefined": (inline("allow if input.nowhere == 1"), "allow is undefined"),
    "conflicting": (
        inline('allow := true if input.action != ""\n\nallow := false if input.action != ""'),
        "complete rules must not produce multiple outputs",
    ),
    "recursive": (inline("f(x) := f(x)\n\nallow if f(1)"), "Recursion detected in rule body"),
    "a-string": (inline('allow := "true"'), "allow is neither true nor false"),
    "a-number": (inline("allow := 1"), "allow is neither true nor false"),
}
"""Policies that give no answer, and what is said of them."""

UNUSABLE: Final = {
    "syntax": ("package precondition.mine\n\nallow if {", "} is missing at the end"),
    "no-package": ("allow := true", "neither a policy, which begins with a package line"),
    "no-rule": (inline("other := true"), "there is no rule allow"),
    "missing-library": (inline("import data.lib.mine\n\nallow := true"), "not allowed, or not"),
    "environment": (inline('allow if opa.runtime().env.HOME != ""'), "opa.runtime is not"),
    "network": (inline('allow if http.send({"url": "http://10.0.0.1"})'), "http.send is not"),
    "missing-key": ("configmap:nothing:allow", "there is no policy 'nothing'"),
    "unknown-type": ("", "no precondition 'unknown-type' is known for scale_deployment"),
}
"""What cannot be used as a policy, and what is said of it."""

pytestmark = pytest.mark.usefixtures("ended")


@pytest.fixture(scope="module")
def space(cluster: "LocalCluster") -> Iterator[Kubectl]:
    """Kubectl in the namespace of this module, on a cluster whose memory comes in Ki."""
    kubectl = fresh_namespace(cluster, "preconditions")
    for node in kubectl.items("nodes"):
        _give_memory(kubectl, node, f"{NODE_MEMORY_KI}Ki")
    yield kubectl
    for node in kubectl.items("nodes"):
        _give_memory(kubectl, node, "256Gi")


@pytest.fixture(scope="module")
def ended(space: Kubectl, module_services: Services) -> dict[str, Object]:
    """Return workflows that have ended, by name; begun all at once."""
    del module_services
    _make_targets(space)
    bodies = [*_of_order(), *_of_answers(), *_of_policies(), *_of_overrides()]
    everything = {"apiVersion": "v1", "kind": "List", "items": bodies}
    space.ok("create", "-f", "-", stdin=json.dumps(everything))
    names = [body["metadata"]["name"] for body in bodies]
    return {name: space.wait_phase(name, *ENDS, seconds=90) for name in names}


def _make_targets(space: Kubectl) -> None:
    space.apply(_secret("registry", "kubernetes.io/dockerconfigjson", ".dockerconfigjson"))
    space.apply(_secret("plain", "Opaque", "x"))
    for name, pod_spec in {
        "room": {},
        "pulls": {"imagePullSecrets": [{"name": "registry"}]},
        "pulls-plain": {"imagePullSecrets": [{"name": "plain"}]},
        "pulls-nothing": {"imagePullSecrets": [{"name": "nobody"}]},
        "selects": {"nodeSelector": {"kubernetes.io/os": "linux"}},
        "selects-nothing": {"nodeSelector": {"kubernetes.io/os": "plan9"}},
        "small": _asking("1Gi"),
        "large": _asking("100Gi"),
        "huge": _asking(f"{NODE_MEMORY_KI + 1}Ki"),
    }.items():
        target = deployment(name, replicas=0)
        spec = target["spec"]["template"]["spec"]
        target["spec"]["template"]["spec"] = spec | pod_spec
        space.apply(target)


def _asking(memory: str) -> Object:
    requests = {"requests": {"memory": memory}}
    return {
        "containers": [{"name": "app", "image": "registry.example/web:1", "resources": requests}]
    }


def _of_order() -> list[Object]:
    return [
        workflow("waits-in-vain", [before(notify("a"), condition("no", NO, timeout=SHORT))]),
        workflow("warned", [before(notify("a"), condition("no", NO, required=False))]),
        workflow(
            "in-order",
            [
                before(
                    notify("a"),
                    condition("first", YES),
                    condition("warns", NO, required=False),
                    condition("second", NO, timeout=SHORT),
                    condition("third", YES),
                )
            ],
        ),
        workflow(
            "quoted",
            [_saying("a", QUOTES, f"allow if input.parameters.message == {_literal(QUOTES)}")],
        ),
        workflow(
            "quoting",
            [
                _saying(
                    "a",
                    QUOTES,
                    'default allow := false\n\nerror_message := sprintf("it says %s", '
                    "[input.parameters.message])",
                )
            ],
        ),
        workflow("honest", [before(notify("a"), condition("yes", YES))]),
    ]


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _saying(name: str, message: str, rules: str) -> Object:
    step = notify(name) | {"parameters": {"notifyOnly": {"message": message}}}
    return before(step, condition("said", inline(rules), timeout=SHORT))


def _of_answers() -> list[Object]:
    loops = condition("loops", inline(ENDLESS), timeout="3s")
    return [
        *(
            workflow(f"answers-{name}", [before(notify("a"), condition(name, text, timeout=SHORT))])
            for name, (text, _) in UNANSWERED.items()
        ),
        *(
            workflow(f"uses-{name}", [before(scale("a", "api", 3), condition(name, text))])
            for name, (text, _) in UNUSABLE.items()
        ),
        workflow("hostile", [before(scale("a", "api", 3), loops)]),
    ]


def _of_policies() -> list[Object]:
    scaled = scale("a", "web", 2)
    scaled["parameters"]["scaleDeployment"]["expectedReplicas"] = 7
    return [
        _checked("there", scale("a", "web", 2), "deployment_exists"),
        _checked("not-there", scale("a", "nobody", 2), "deployment_exists"),
        _checked("fits", scale("a", "small", 2), "cluster_capacity_available"),
        _checked("fits-not-in-all", scale("a", "large", 8), "cluster_capacity_available"),
        _checked("fits-on-no-node", scale("a", "huge", 1), "cluster_capacity_available"),
        _checked("as-planned", scale("a", "web", 2), "current_replicas_match"),
        _checked("scaled-by-hand", scaled, "replicas_match"),
        _checked("pulls", scale("a", "pulls", 0), "image_pull_secrets_valid"),
        _checked("pulls-plain", scale("a", "pulls-plain", 0), "image_pull_secrets_valid"),
        _checked("pulls-nothing", scale("a", "pulls-nothing", 0), "image_pull_secrets_valid"),
        _checked("selects", image("a", "selects", "x:2"), "node_selector_matches"),
        _checked("selects-nothing", image("a", "selects-nothing", "x:2"), "node_selector_matches"),
    ]


def _checked(name: str, step: Object, kind: str) -> Object:
    return workflow(name, [before(step, condition(kind, timeout=SHORT))])


def _of_overrides() -> list[Object]:
    step = before(notify("a"), condition("no", NO, timeout=SHORT))
    overridden = workflow("overridden", [step])
    overridden["spec"]["conditionOverrides"] = {
        "NotifyOnly": {"preconditions": {"no": {"required": False}}}
    }
    return [workflow("not-overridden", [step]), overridden]


def test_row_76_a_required_precondition_blocks_until_it_holds(space: Kubectl) -> None:
    exists = condition("deployment_exists", timeout="5m")
    space.apply(workflow("waits", [before(scale("a", "late", 1), exists)]))

    blocked = in_phase(space, "waits", a="Blocked")

    step = steps_of(blocked)["a"]
    why = "precondition deployment_exists: deployment preconditions/late was not found"
    assert (step["reason"], step["message"]) == ("PreconditionFailed", why)
    assert step["blockedSince"] <= step["nextAttemptTime"]
    assert executions(space, "waits") == []
    said = condition_of(blocked, "PreconditionsBlocked")
    assert (said["status"], said["reason"], said["message"]) == (
        "True",
        "Waiting",
        f"step a: {why}",
    )
    assert told(space, "waits", "PreconditionBlocked") == f"step a: {why}"

    space.apply(deployment("late", replicas=0))
    done = space.wait_phase("waits", *ENDS)

    assert done["status"]["phase"] == "Completed"
    assert condition_of(done, "PreconditionsBlocked")["status"] == "False"
    assert results(done, "a")["deployment_exists"]["passed"]
    assert results(done, "a")["deployment_exists"]["attempts"] >= 2
    assert "blockedSince" not in steps_of(done)["a"]


def test_row_76_one_that_never_holds_fails_the_step(
    space: Kubectl, ended: dict[str, Object]
) -> None:
    step = steps_of(ended["waits-in-vain"])["a"]

    assert ended["waits-in-vain"]["status"]["phase"] == "Failed"
    assert (step["phase"], step["reason"]) == ("Failed", "PreconditionFailed")
    assert (step["errorType"], step["message"]) == (
        "precondition_failed",
        "not started, precondition no: not today",
    )
    assert executions(space, "waits-in-vain") == []
    assert condition_of(ended["waits-in-vain"], "PreconditionsBlocked")["status"] == "True"


def test_row_77_an_optional_precondition_only_warns(
    space: Kubectl, ended: dict[str, Object], module_services: Services
) -> None:
    (result,) = results(ended["warned"], "a").values()

    assert ended["warned"]["status"]["phase"] == "Completed"
    assert step_names(executions(space, "warned")) == ["a"]
    assert (result["required"], result["evaluated"], result["passed"]) == (False, True, False)
    assert result["errorMessage"] == "not today"
    lines = module_services.lines("orchestrator")
    assert ("warning", "a", "no", False) in [
        (line["level"], line["step"], line["condition"], line["passed"])
        for line in lines
        if line["event"] == "condition evaluated" and line["workflow"] == "warned"
    ]


def test_row_78_after_a_required_one_that_does_not_hold_nothing_is_evaluated(
    ended: dict[str, Object],
) -> None:
    found = verdicts(ended["in-order"], "a")

    assert list(found) == ["first", "warns", "second", "third"]
    assert found == {
        "first": (True, True),
        "warns": (True, False),
        "second": (True, False),
        "third": (False, False),
    }
    assert results(ended["in-order"], "a")["third"].get("attempts", 0) == 0


@pytest.mark.parametrize(
    ("passes", "fails", "why"),
    [
        ("there", "not-there", "deployment preconditions/nobody was not found"),
        ("fits", "fits-not-in-all", "8 more pods need"),
        ("fits", "fits-on-no-node", "no node has more than"),
        ("as-planned", "scaled-by-hand", "the deployment has 2 replicas where 7 were expected"),
        ("pulls", "pulls-plain", "the image pull secret plain is not valid"),
        ("pulls", "pulls-nothing", "an image pull secret does not exist"),
        ("selects", "selects-nothing", "no Ready node matches: 0 match, 0 of them are Ready"),
    ],
    ids=lambda value: value.split()[0],
)
def test_row_79_shipped_preconditions_on_live_deployments(
    ended: dict[str, Object], passes: str, fails: str, why: str
) -> None:
    assert list(verdicts(ended[passes], "a").values()) == [(True, True)]
    assert ended[passes]["status"]["phase"] == "Completed"
    assert list(verdicts(ended[fails], "a").values()) == [(True, False)]
    assert ended[fails]["status"]["phase"] == "Failed"
    assert why in steps_of(ended[fails])["a"]["message"]


def test_row_79_replicas_are_compared_with_those_at_planning(space: Kubectl) -> None:
    space.apply(deployment("moved", replicas=0))
    unmoved = before(scale("b", "moved", 0, "a"), condition("replicas_match", timeout=SHORT))
    space.apply(workflow("moved", [wait_available("a", "moves"), unmoved]))
    claimed(space, "moved", "a")

    space.ok("scale", "deployment/moved", "--replicas=1")
    release(space, "moves")
    done = space.wait_phase("moved", *ENDS)

    assert done["status"]["executionPlan"]["baselines"] == {"moved": 0}
    assert results(done, "b")["replicas_match"]["errorMessage"] == (
        "the deployment has 1 replicas where 0 were expected"
    )


def test_row_80_memory_that_nodes_report_in_ki_is_understood(
    space: Kubectl, ended: dict[str, Object]
) -> None:
    reported = {node["status"]["allocatable"]["memory"] for node in space.items("nodes")}

    assert reported == {f"{NODE_MEMORY_KI}Ki"}
    assert ended["fits"]["status"]["phase"] == "Completed"
    assert "of memory; no node has more than" in steps_of(ended["fits-on-no-node"])["a"]["message"]


@pytest.mark.parametrize("name", UNANSWERED)
def test_row_81_what_gives_no_boolean_does_not_hold_and_says_why(
    space: Kubectl, ended: dict[str, Object], module_services: Services, name: str
) -> None:
    done = ended[f"answers-{name}"]

    assert verdicts(done, "a") == {name: (True, False)}
    assert UNANSWERED[name][1] in results(done, "a")[name]["errorMessage"]
    assert done["status"]["phase"] == "Failed"
    assert executions(space, f"answers-{name}") == []
    assert all(process.is_alive for process in module_services.processes.values())


@pytest.mark.parametrize("name", UNUSABLE)
def test_row_81_82_what_cannot_be_a_policy_is_refused_before_any_step(
    space: Kubectl, ended: dict[str, Object], name: str
) -> None:
    status = ended[f"uses-{name}"]["status"]

    assert (status["phase"], status["reason"]) == ("Failed", "InvalidPolicy")
    (defect,) = status["validationResults"]["validationErrors"]
    assert defect.startswith(
        f"spec.workflowDefinition.steps[a].preConditions[{name}].rego: InvalidPolicy: "
    )
    assert UNUSABLE[name][1] in defect
    assert executions(space, f"uses-{name}") == []
    assert events(space, f"uses-{name}", "InvalidPolicy")


def test_row_82_an_endless_loop_is_ended_and_others_go_on(
    space: Kubectl, ended: dict[str, Object], module_services: Services
) -> None:
    step = steps_of(ended["hostile"])["a"]
    (result,) = results(ended["hostile"], "a").values()

    assert (step["phase"], step["errorType"]) == ("Failed", "precondition_failed")
    assert result["passed"] is False
    assert any(why in step["message"] for why in ("took longer than it may", "out of bounds"))
    assert executions(space, "hostile") == []
    assert ended["honest"]["status"]["phase"] == "Completed"
    assert all(process.is_alive for process in module_services.processes.values())


def test_input_full_of_quotes_is_compared_and_repeated_as_it_is(
    ended: dict[str, Object],
) -> None:
    assert verdicts(ended["quoted"], "a") == {"said": (True, True)}
    repeated = results(ended["quoting"], "a")["said"]["errorMessage"]
    assert repeated.startswith("it says he said \"no\" \\ 'why'")
    assert repeated.isprintable()


def test_row_90_an_override_makes_a_warning_of_it_in_that_workflow_only(
    ended: dict[str, Object],
) -> None:
    (overridden,) = results(ended["overridden"], "a").values()
    (other,) = results(ended["not-overridden"], "a").values()

    assert ended["overridden"]["status"]["phase"] == "Completed"
    assert (overridden["required"], overridden["passed"]) == (False, False)
    assert overridden["errorMessage"] == "not required by spec.conditionOverrides: not today"
    assert ended["not-overridden"]["status"]["phase"] == "Failed"
    assert (other["required"], other["passed"]) == (True, False)


def _secret(name: str, kind: str, key: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": kind,
        "stringData": {key: '{"auths": {}}'},
    }


def _give_memory(kubectl: Kubectl, node: dict[str, Any], memory: str) -> None:
    told = {"memory": memory}
    body = json.dumps({"status": {"allocatable": told, "capacity": told}})
    name = node["metadata"]["name"]
    kubectl.ok("patch", "node", name, "--subresource=status", "--type=merge", "-p", body)
    eventually(
        lambda: kubectl.get("node", name),
        lambda found: found["status"]["allocatable"]["memory"] == memory,
    )
