"""Who may decide about a plan: certificates of real people, and the planner's own account."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from shared.api.approval import ApprovalStatus, Decision
from shared.clock import SystemClock
from shared.errors import PermanentError
from shared.kube.approvals import ApprovalStore
from shared.kube.client import ApiCluster
from tests.support.admission import PLAN, SYSTEM, answer, approval
from tests.support.kubectl import Kubectl, Object
from tests.support.namespaces import empty_namespace
from tests.support.people import person, stranger
from tests.support.servers import kubectl

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

PLANNER: Final = f"system:serviceaccount:{SYSTEM}:mendflow-planner"
ACCOUNTS: Final = ("system:serviceaccounts", f"system:serviceaccounts:{SYSTEM}")


@pytest.fixture(scope="module")
def admin(cluster: "LocalCluster") -> Kubectl:
    """Kubectl of the administrator in a namespace of this module."""
    return empty_namespace(cluster, "who decides")


@pytest.fixture(scope="module")
def alice(cluster: "LocalCluster", admin: Kubectl) -> Kubectl:
    """The one who submits."""
    return person(cluster, admin, "alice")


@pytest.fixture(scope="module")
def bob(cluster: "LocalCluster", admin: Kubectl) -> Kubectl:
    """The one who decides."""
    return person(cluster, admin, "bob")


@pytest.fixture(scope="module")
def account(cluster: "LocalCluster") -> Path:
    """The credentials of the planner, with the rights of its account."""
    return cluster.kubeconfig_for(PLANNER, groups=ACCOUNTS)


@pytest.fixture
async def planner(account: Path) -> AsyncIterator[ApprovalStore]:
    """Requests as the planner reads and writes them."""
    async with await ApiCluster.connect(
        kubeconfig=str(account), field_manager="tests", qps=0, burst=1, clock=SystemClock()
    ) as api:
        yield ApprovalStore(api)


@pytest.fixture
def asked(account: Path, admin: Kubectl) -> Iterator[str]:
    """The name of a request about a workflow of alice's, made by the planner."""
    body = approval("asked", submitted_by="alice")
    _ask(account, admin.namespace, body)
    yield "asked"
    admin.ok("delete", "aiar", "asked")


@pytest.mark.parametrize("decision", ["Approved", "Rejected"])
def test_row_36_the_one_who_decides_is_recorded(
    bob: Kubectl, admin: Kubectl, asked: str, decision: str
) -> None:
    bob.ok("patch", "aiar", asked, *answer(decision, "bob", message="looked at it"))

    status = admin.get("aiar", asked)["status"]
    assert (status["decision"], status["decidedBy"]) == (decision, "bob")


@pytest.mark.parametrize("name", ["alice", "admin", "Bob", "system:admin"])
def test_row_36_nobody_decides_for_another(bob: Kubectl, asked: str, name: str) -> None:
    _refused(bob, asked, answer("Approved", name), "must be your own user name, 'bob'")


def test_row_36_a_decision_has_a_name(bob: Kubectl, asked: str) -> None:
    _refused(bob, asked, answer("Approved", ""), "needs status.decidedBy")


@pytest.mark.parametrize("decision", ["Approved", "Rejected"])
def test_row_36_nobody_decides_about_a_workflow_of_their_own(
    alice: Kubectl, asked: str, decision: str
) -> None:
    _refused(alice, asked, answer(decision, "alice"), "'alice' submitted this workflow")


def test_row_36_a_namespace_may_let_people_decide_about_their_own(
    cluster: "LocalCluster", account: Path
) -> None:
    home = empty_namespace(cluster, "who decides alone")
    home.ok("label", "namespace", home.namespace, "kubernaut.ai/self-approval=allowed")
    carl = person(cluster, home, "carl")
    _ask(account, home.namespace, approval("own", submitted_by="carl"))

    # The API server learns of labels by a watch of its own.
    deadline = time.monotonic() + 60
    while (done := carl.run("patch", "aiar", "own", *answer("Approved", "carl"))).returncode:
        assert "submitted this workflow" in done.stderr
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.1)

    assert home.get("aiar", "own")["status"]["decision"] == "Approved"
    home.ok("delete", "aiar", "own")


def test_row_36_people_cannot_let_a_request_expire(bob: Kubectl, asked: str) -> None:
    _refused(bob, asked, answer("Expired", "bob"), "'bob' may not write Expired")


async def test_row_36_the_planner_lets_a_request_expire(
    planner: ApprovalStore, admin: Kubectl, asked: str
) -> None:
    await _let_expire(planner, admin.namespace, asked)

    assert admin.get("aiar", asked)["status"]["decision"] == "Expired"


async def test_row_36_the_planner_decides_for_nobody(
    planner: ApprovalStore, admin: Kubectl, asked: str
) -> None:
    request = await planner.fetch(admin.namespace, asked)
    assert request is not None

    with pytest.raises(PermanentError, match="must be your own user name"):
        await planner.decide(request, ApprovalStatus(decision=Decision.APPROVED, decided_by="bob"))


@pytest.mark.parametrize(
    "change",
    [
        {"decision": "Rejected"},
        {"decision": ""},
        {"decision": None},
        {"decidedBy": "carl"},
        {"decidedAt": "2027-01-01T00:00:00Z"},
        {"method": "by telephone"},
    ],
    ids=json.dumps,
)
def test_row_36_a_decision_is_made_once(
    bob: Kubectl, admin: Kubectl, asked: str, change: Object
) -> None:
    bob.ok("patch", "aiar", asked, *answer("Approved", "bob"))

    # Not even by one who may do everything else.
    words = ("--subresource=status", "--type=merge", "-p", json.dumps({"status": change}))
    done = admin.run("patch", "aiar", asked, *words)

    assert done.returncode != 0
    assert "already decided" in done.stderr or "must be your own user name" in done.stderr
    assert admin.get("aiar", asked)["status"] == {"decision": "Approved", "decidedBy": "bob"}


async def test_row_36_a_late_answer_says_who_was_first(
    planner: ApprovalStore, admin: Kubectl, bob: Kubectl, asked: str
) -> None:
    await _let_expire(planner, admin.namespace, asked)

    _refused(bob, asked, answer("Approved", "bob"), "already decided: Expired by mendflow-planner")


def test_row_36_a_decision_cannot_be_taken_away(bob: Kubectl, admin: Kubectl, asked: str) -> None:
    bob.ok("patch", "aiar", asked, *answer("Rejected", "bob"))

    words = ("--subresource=status", "--type=merge", "-p", '{"status":null}')
    done = admin.run("patch", "aiar", asked, *words)

    assert "already decided" in done.stderr


def test_row_36_whoever_may_only_look_does_not_answer(
    cluster: "LocalCluster", admin: Kubectl, asked: str
) -> None:
    looks = "--clusterrole=mendflow-view"
    admin.ok("create", "rolebinding", "look-mallory", looks, "--user=mallory")
    mallory = stranger(cluster, "mallory", admin.namespace)
    assert mallory.get("aiar", asked)["spec"]["submittedBy"] == "alice"

    done = mallory.run("patch", "aiar", asked, *answer("Approved", "mallory"))

    assert '"mallory" cannot get resource "aiapprovalrequests/status"' in done.stderr
    rights = mallory.run("auth", "can-i", "patch", "aiapprovalrequests", "--subresource=status")
    assert rights.stdout.strip() == "no"


def test_row_36_only_the_planner_asks(alice: Kubectl) -> None:
    done = alice.run("create", "-f", "-", stdin=json.dumps(approval("forged")))

    assert 'cannot create resource "aiapprovalrequests"' in done.stderr


def test_row_37_an_approval_names_the_plan_it_is_about(
    bob: Kubectl, admin: Kubectl, asked: str
) -> None:
    _refused(bob, asked, answer("Approved", "bob", planHash="other"), "approves another plan")

    bob.ok("patch", "aiar", asked, *answer("Approved", "bob", planHash=PLAN))
    assert admin.get("aiar", asked)["status"]["planHash"] == PLAN


@pytest.mark.parametrize(
    "change",
    [{"planHash": "other"}, {"submittedBy": ""}, {"step": "b"}, {"changes": []}, {"timeout": "9h"}],
    ids=json.dumps,
)
def test_row_37_the_question_never_changes(admin: Kubectl, asked: str, change: Object) -> None:
    patch = ("--type=merge", "-p", json.dumps({"spec": change}))

    done = admin.run("patch", "aiar", asked, *patch)

    assert done.returncode != 0
    assert "what was asked never changes" in done.stderr


def _ask(account: Path, namespace: str, body: Object) -> None:
    kubectl(account, "create", "-n", namespace, "-f", "-", given=json.dumps(body))


async def _let_expire(planner: ApprovalStore, namespace: str, name: str) -> None:
    request = await planner.fetch(namespace, name)
    assert request is not None
    expired = ApprovalStatus(decision=Decision.EXPIRED, decided_by="mendflow-planner")
    await planner.decide(request, expired)


def _refused(who: Kubectl, asked: str, words: tuple[str, ...], why: str) -> None:
    before = who.get("aiar", asked).get("status", {})
    done = who.run("patch", "aiar", asked, *words)

    assert done.returncode != 0
    assert why in done.stderr
    assert who.get("aiar", asked).get("status", {}) == before
