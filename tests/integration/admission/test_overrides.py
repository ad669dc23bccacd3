"""Who may override a condition by annotation, and that the API server writes down who did."""

import json
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.admission import OVERRIDDEN_BY, OVERRIDE
from tests.support.kubectl import Kubectl, Object
from tests.support.namespaces import empty_namespace
from tests.support.people import bound, person, stranger
from tests.support.workflows import notify, workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

REFUSED: Final = "may not set, change or remove the annotation kubernaut.io/override-condition"


@pytest.fixture(scope="module")
def admin(cluster: "LocalCluster") -> Kubectl:
    """Kubectl of the administrator in a namespace of this module."""
    return empty_namespace(cluster, "who overrides")


@pytest.fixture(scope="module")
def alice(cluster: "LocalCluster", admin: Kubectl) -> Kubectl:
    """One who may submit and change workflows, and override nothing."""
    return person(cluster, admin, "alice")


@pytest.fixture(scope="module")
def olga(cluster: "LocalCluster", admin: Kubectl) -> Kubectl:
    """An operator who may override, by the role that ships, and submit nothing."""
    bound(admin, "olga", "mendflow-overrider")
    return stranger(cluster, "olga", admin.namespace)


@pytest.fixture(scope="module")
def oskar(cluster: "LocalCluster", admin: Kubectl) -> Kubectl:
    """One who may do both."""
    both = person(cluster, admin, "oskar")
    bound(admin, "oskar", "mendflow-overrider")
    return both


def test_an_operator_overrides_and_is_written_down(alice: Kubectl, olga: Kubectl) -> None:
    alice.apply(_workflow("held"))

    olga.ok("annotate", "wfe", "held", f"{OVERRIDE}=deployment_exists")

    assert _overrides(alice, "held") == ("deployment_exists", "olga")


def test_who_may_not_override_neither_sets_nor_changes_nor_removes(
    alice: Kubectl, olga: Kubectl
) -> None:
    alice.apply(_workflow("kept"))
    _refused(alice, "annotate", "wfe", "kept", f"{OVERRIDE}=deployment_exists")
    olga.ok("annotate", "wfe", "kept", f"{OVERRIDE}=deployment_exists")

    _refused(alice, "annotate", "wfe", "kept", f"{OVERRIDE}=other", "--overwrite")
    _refused(alice, "annotate", "wfe", "kept", f"{OVERRIDE}-")
    _refused(alice, "replace", "-f", "-", body=_workflow("kept"))

    assert _overrides(alice, "kept") == ("deployment_exists", "olga")


def test_who_may_not_override_changes_the_rest_as_before(alice: Kubectl, olga: Kubectl) -> None:
    alice.apply(_workflow("rest"))
    olga.ok("annotate", "wfe", "rest", f"{OVERRIDE}=deployment_exists")

    alice.ok("annotate", "wfe", "rest", "tests.example/note=1")
    alice.ok("patch", "wfe", "rest", "--type=merge", "-p", '{"spec":{"control":"pause"}}')
    alice.apply(_workflow("rest"))

    assert _overrides(alice, "rest") == ("deployment_exists", "olga")


@pytest.mark.parametrize("how", ["create", "apply", "apply --server-side"])
def test_a_workflow_begins_overridden_only_by_who_may(
    alice: Kubectl, oskar: Kubectl, how: str
) -> None:
    body = _workflow(f"begun-{how[-4:]}", {OVERRIDE: "deployment_exists"})

    _refused(alice, *how.split(), "-f", "-", body=body)
    oskar.ok(*how.split(), "-f", "-", stdin=json.dumps(body))

    assert _overrides(oskar, body["metadata"]["name"]) == ("deployment_exists", "oskar")


def test_the_last_who_changed_it_is_written_down_also_when_it_is_taken_away(
    alice: Kubectl, olga: Kubectl, oskar: Kubectl
) -> None:
    alice.apply(_workflow("passed-on"))
    olga.ok("annotate", "wfe", "passed-on", f"{OVERRIDE}=a")

    oskar.ok("annotate", "wfe", "passed-on", f"{OVERRIDE}=a,b", "--overwrite")
    assert _overrides(alice, "passed-on") == ("a,b", "oskar")

    olga.ok("annotate", "wfe", "passed-on", f"{OVERRIDE}-")
    assert _overrides(alice, "passed-on") == (None, "olga")


@pytest.mark.parametrize("change", [{OVERRIDE: "a"}, {}], ids=["with an override", "without"])
def test_nobody_overrides_in_the_name_of_another(
    oskar: Kubectl, admin: Kubectl, change: dict[str, str]
) -> None:
    forged = _workflow("forged", change | {OVERRIDDEN_BY: "olga"})

    for who in (oskar, admin):
        done = who.run("create", "-f", "-", stdin=json.dumps(forged))

        assert done.returncode != 0
        assert "the annotation kubernaut.ai/overridden-by is 'olga' and must be '" in done.stderr


def test_who_overrides_may_write_their_own_name(alice: Kubectl, oskar: Kubectl) -> None:
    own = {OVERRIDE: "a", OVERRIDDEN_BY: "oskar"}
    oskar.ok("create", "-f", "-", stdin=json.dumps(_workflow("own", own)))
    alice.apply(_workflow("theirs"))

    oskar.ok("annotate", "wfe", "theirs", *(f"{key}={value}" for key, value in own.items()))

    for name in ("own", "theirs"):
        assert _overrides(alice, name) == ("a", "oskar")


@pytest.mark.parametrize("words", [f"{OVERRIDDEN_BY}=alice --overwrite", f"{OVERRIDDEN_BY}-"])
def test_the_name_that_was_written_down_stays(
    alice: Kubectl, olga: Kubectl, admin: Kubectl, words: str
) -> None:
    name = f"named-{len(words)}"
    alice.apply(_workflow(name))
    olga.ok("annotate", "wfe", name, f"{OVERRIDE}=a")

    for who in (alice, olga, admin):
        who.run("annotate", "wfe", name, *words.split())

    assert _overrides(alice, name) == ("a", "olga")


def test_a_status_does_not_override(alice: Kubectl, admin: Kubectl) -> None:
    alice.apply(_workflow("status"))
    change = {"metadata": {"annotations": {OVERRIDE: "a", OVERRIDDEN_BY: "olga"}}, "status": {}}

    words = ("--subresource=status", "--type=merge", "-p", json.dumps(change))
    admin.run("patch", "wfe", "status", *words)

    assert _overrides(alice, "status") == (None, None)


def test_the_right_may_be_given_for_one_workflow_alone(
    cluster: "LocalCluster", admin: Kubectl, alice: Kubectl
) -> None:
    resource = "--resource=workflowexecutions.workflowexecution.kubernaut.ai"
    verbs = "--verb=get,patch,override"
    admin.ok("create", "role", "one", verbs, resource, "--resource-name=this")
    admin.ok("create", "rolebinding", "one", "--role=one", "--user=paula")
    admin.ok("create", "role", "any", "--verb=get,patch", resource)
    admin.ok("create", "rolebinding", "any", "--role=any", "--user=paula")
    paula = stranger(cluster, "paula", admin.namespace)
    for name in ("this", "that"):
        alice.apply(_workflow(name))

    paula.ok("annotate", "wfe", "this", f"{OVERRIDE}=a")

    _refused(paula, "annotate", "wfe", "that", f"{OVERRIDE}=a")


def _workflow(name: str, annotations: dict[str, str] | None = None) -> Object:
    body = workflow(name, [notify("a")])
    body["metadata"]["annotations"] = annotations or {}
    return body


def _overrides(kubectl: Kubectl, name: str) -> tuple[str | None, str | None]:
    annotations = kubectl.get("wfe", name)["metadata"]["annotations"]
    return annotations.get(OVERRIDE), annotations.get(OVERRIDDEN_BY)


def _refused(who: Kubectl, *words: str, body: Object | None = None) -> None:
    done = who.run(*words, stdin=json.dumps(body) if body else "")

    assert done.returncode != 0
    assert REFUSED in done.stderr
    assert "mendflow-overrider" in done.stderr
