"""Who submitted a workflow: written down by the API server, and not to be forged."""

import json
from typing import TYPE_CHECKING

import pytest

from shared.api.meta import SUBMITTED_BY_ANNOTATION
from tests.support.kubectl import Kubectl, Object
from tests.support.namespaces import empty_namespace
from tests.support.people import person
from tests.support.workflows import notify, workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster


@pytest.fixture(scope="module")
def admin(cluster: "LocalCluster") -> Kubectl:
    """Kubectl of the administrator in a namespace of this module."""
    return empty_namespace(cluster, "who submits")


@pytest.fixture(scope="module")
def alice(cluster: "LocalCluster", admin: Kubectl) -> Kubectl:
    """The one who submits."""
    return person(cluster, admin, "alice")


@pytest.fixture(scope="module")
def bob(cluster: "LocalCluster", admin: Kubectl) -> Kubectl:
    """Somebody else."""
    return person(cluster, admin, "bob")


@pytest.mark.parametrize("how", ["create", "apply", "apply --server-side"])
def test_row_36_the_submitter_is_who_creates(alice: Kubectl, how: str) -> None:
    body = _workflow(f"by-{how[-4:]}")

    alice.ok(*how.split(), "-f", "-", stdin=json.dumps(body))

    assert _submitter(alice, body) == "alice"


def test_row_36_a_submitter_of_another_name_is_refused(alice: Kubectl) -> None:
    forged = _workflow("forged", {SUBMITTED_BY_ANNOTATION: "bob"})

    done = alice.run("create", "-f", "-", stdin=json.dumps(forged))

    assert done.returncode != 0
    assert "must be 'alice', who creates this workflow" in done.stderr


@pytest.mark.usefixtures("bob")
def test_row_36_whoever_acts_as_another_submits_as_that_one(admin: Kubectl) -> None:
    body = _workflow("borrowed")

    admin.ok("create", "--as=bob", "-f", "-", stdin=json.dumps(body))

    assert _submitter(admin, body) == "bob"


@pytest.mark.parametrize("by", ["the submitter", "another", "the administrator"])
def test_row_36_the_submitter_cannot_be_changed(
    alice: Kubectl, bob: Kubectl, admin: Kubectl, by: str
) -> None:
    who = {"the submitter": alice, "another": bob, "the administrator": admin}[by]
    body = _workflow("kept")
    alice.apply(body)

    words = ("annotate", "wfe", "kept", f"{SUBMITTED_BY_ANNOTATION}=carl", "--overwrite")
    done = who.run(*words)

    assert done.returncode != 0
    assert "stays 'alice'" in done.stderr
    assert _submitter(alice, body) == "alice"


def test_row_36_a_submitter_that_is_left_out_stays(alice: Kubectl, bob: Kubectl) -> None:
    body = _workflow("replaced")
    alice.apply(body)

    bob.ok("annotate", "wfe", "replaced", f"{SUBMITTED_BY_ANNOTATION}-")
    bob.ok("replace", "-f", "-", stdin=json.dumps(body))

    assert _submitter(alice, body) == "alice"


def test_row_36_a_status_does_not_name_a_submitter(alice: Kubectl, admin: Kubectl) -> None:
    body = _workflow("status")
    alice.apply(body)
    change = {"metadata": {"annotations": {SUBMITTED_BY_ANNOTATION: "carl"}}, "status": {}}

    admin.run(
        "patch",
        "wfe",
        "status",
        "--subresource=status",
        "--type=merge",
        "-p",
        json.dumps(change),
    )

    assert _submitter(alice, body) == "alice"


def _workflow(name: str, annotations: dict[str, str] | None = None) -> Object:
    body = workflow(name, [notify("a")])
    body["metadata"]["annotations"] = annotations or {}
    return body


def _submitter(kubectl: Kubectl, body: Object) -> str:
    live = kubectl.get("wfe", body["metadata"]["name"])
    found: str = live["metadata"]["annotations"][SUBMITTED_BY_ANNOTATION]
    return found
