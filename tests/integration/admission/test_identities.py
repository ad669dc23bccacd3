"""Who may have an action carried out: whoever may `use` the account that does it."""

import json
from itertools import cycle, islice
from typing import TYPE_CHECKING, Final

import pytest

from shared.effects.rights import RIGHTS
from tests.support.kubectl import Kubectl, Object
from tests.support.namespaces import closed_namespace
from tests.support.people import bound, stranger
from tests.support.workflows import notify, restart, scale, workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

WORKFLOWS: Final = "workflowexecutions.workflowexecution.kubernaut.ai"
SCALE: Final = scale("a", "web", 3)
RESTART: Final = restart("a", "web")
SCALE_ONLY: Final[Object] = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "Role",
    "metadata": {"name": "scale-only"},
    "rules": [
        {
            "apiGroups": [""],
            "resources": ["serviceaccounts"],
            "resourceNames": ["mendflow-scale-deployment"],
            "verbs": ["use"],
        }
    ],
}
SPELLINGS: Final = (
    "restart_deployment",
    "RestartDeployment",
    "restart-deployment",
    "RESTART_DEPLOYMENT",
    "rollout_restart",
    "RolloutRestart",
    "rollout-restart",
)
RESTARTS: Final = "may not have restart_deployment carried out"


@pytest.fixture(scope="module")
def admin(cluster: "LocalCluster") -> Kubectl:
    """Kubectl of the administrator in a namespace of this module."""
    return closed_namespace(cluster, "who has it carried out")


@pytest.fixture(scope="module")
def tina(cluster: "LocalCluster", admin: Kubectl) -> Kubectl:
    """One who may write workflows here, and use accounts of another namespace."""
    _may_write(admin, "tina")
    bound(closed_namespace(cluster, "where tina may"), "tina", "mendflow-submitter")
    return stranger(cluster, "tina", admin.namespace)


@pytest.fixture(scope="module")
def nora(cluster: "LocalCluster", admin: Kubectl) -> Kubectl:
    """One who may write workflows, and have Deployments scaled by them."""
    _may_write(admin, "nora")
    admin.apply(SCALE_ONLY)
    admin.ok("create", "rolebinding", "nora-scales", "--role=scale-only", "--user=nora")
    return stranger(cluster, "nora", admin.namespace)


@pytest.fixture(scope="module")
def sam(cluster: "LocalCluster", admin: Kubectl) -> Kubectl:
    """One with the role that ships."""
    bound(admin, "sam", "mendflow-submitter")
    return stranger(cluster, "sam", admin.namespace)


def test_whoever_may_not_use_the_account_is_told_which(tina: Kubectl, admin: Kubectl) -> None:
    done = _create(tina, workflow("theirs", [SCALE]))

    assert done is not None
    assert (
        f"'tina' may not have scale_deployment carried out in namespace {admin.namespace}" in done
    )
    assert "ServiceAccount mendflow-scale-deployment" in done
    assert "the verb use" in done
    assert "mendflow-submitter" in done
    assert tina.run("get", "wfe", "theirs").returncode != 0


def test_whoever_may_use_the_account_submits(sam: Kubectl, nora: Kubectl, admin: Kubectl) -> None:
    for who, step in ((sam, RESTART), (nora, SCALE), (admin, RESTART)):
        assert _create(who, workflow("allowed", [step])) is None


def test_a_word_to_people_needs_no_account(tina: Kubectl) -> None:
    assert _create(tina, workflow("told", [notify("a")])) is None


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_another_spelling_is_no_way_around(nora: Kubectl, spelling: str) -> None:
    done = _create(nora, workflow("spelt", [RESTART | {"action": spelling}]))

    assert done is not None
    assert RESTARTS in done


def test_a_letter_that_is_another_in_lower_case_is_no_way_around(nora: Kubectl) -> None:
    step = {"name": "a", "action": "rollbac\u212a_deployment"}

    assert "may not have rollback_deployment" in (_create(nora, workflow("kelvin", [step])) or "")


@pytest.mark.parametrize("where", ["rollback", "inserted", "undo of inserted", "last of many"])
def test_no_place_in_a_workflow_is_a_way_around(nora: Kubectl, where: str) -> None:
    undo = {"rollback": {"action": "RestartDeployment", "parameters": RESTART["parameters"]}}
    body = workflow("hidden", [SCALE])
    match where:
        case "rollback":
            body = workflow("hidden", [SCALE | undo])
        case "inserted":
            body["spec"] |= _adjusted({"name": "more", "insert": [{"step": restart("b", "web")}]})
        case "undo of inserted":
            inserted = scale("b", "web", 4) | undo
            body["spec"] |= _adjusted({"name": "more", "insert": [{"step": inserted}]})
        case _:
            steps = [scale(f"s{n}", "web", n) for n in range(99)]
            body = workflow("hidden", [*steps, restart("z", "web")])

    assert RESTARTS in (_create(nora, body) or "")


def test_steps_are_appended_by_whoever_may_have_them_carried_out(
    admin: Kubectl, nora: Kubectl, sam: Kubectl
) -> None:
    body = workflow("grows", [RESTART])
    body["spec"] |= _adjusted({"name": "first", "insert": [{"step": restart("b", "web")}]})
    admin.apply(body)
    first = body["spec"]["adaptiveOrchestration"]["adjustments"]

    def append(who: Kubectl, name: str, step: Object) -> str:
        more = [*first, {"name": name, "insert": [{"step": step}]}]
        patch = {"spec": {"adaptiveOrchestration": {"adjustments": more}}}
        words = ("--type=merge", "--dry-run=server", "-p", json.dumps(patch))
        return who.run("patch", "wfe", "grows", *words).stderr

    assert RESTARTS in append(nora, "second", restart("c", "web"))
    assert append(nora, "second", scale("c", "web", 4)) == ""
    assert append(sam, "second", restart("c", "web")) == ""


def test_what_is_there_already_is_not_asked_for_again(admin: Kubectl, nora: Kubectl) -> None:
    body = workflow("running", [RESTART])
    body["spec"] |= _adjusted({"name": "first", "insert": [{"step": restart("b", "web")}]})
    admin.apply(body)

    nora.ok("patch", "wfe", "running", "--type=merge", "-p", '{"spec":{"control":"pause"}}')
    nora.ok("annotate", "wfe", "running", "tests.example/note=1")


def test_every_action_at_once_in_the_largest_workflow_can_be_judged(sam: Kubectl) -> None:
    steps = [
        {"name": f"s{n}", "action": action, "rollback": {"action": action, "parameters": {}}}
        for n, action in enumerate(islice(cycle(RIGHTS), 500))
    ]
    adjustments = [
        {"name": f"a{at}", "insert": [{"step": step} for step in steps[at : at + 20]]}
        for at in range(100, 500, 20)
    ]
    body = workflow("largest", steps[:100])
    body["spec"] |= _adjusted(*adjustments[:-1])

    sam.ok("create", "-f", "-", stdin=json.dumps(body))
    sam.ok("annotate", "wfe", "largest", "tests.example/note=1")
    last = {"spec": _adjusted(*adjustments)}
    sam.ok("patch", "wfe", "largest", "--type=merge", "-p", json.dumps(last))


def _may_write(admin: Kubectl, name: str) -> None:
    words = ("--verb=get,list,create,patch,update", f"--resource={WORKFLOWS}")
    admin.ok("create", "role", f"write-{name}", *words)
    admin.ok("create", "rolebinding", f"write-{name}", f"--role=write-{name}", f"--user={name}")


def _adjusted(*adjustments: Object) -> Object:
    return {
        "adaptiveOrchestration": {
            "dynamicStepAdjustment": True,
            "adjustments": list(adjustments),
        }
    }


def _create(who: Kubectl, body: Object) -> str | None:
    """Return why a workflow would be refused, or None."""
    done = who.run("create", "--dry-run=server", "-f", "-", stdin=json.dumps(body))
    return None if done.returncode == 0 else done.stderr
