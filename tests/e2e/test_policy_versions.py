"""Policies from the ConfigMap, while services run: which version counts, and what if none does."""

import os
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.control import claimed, executions, in_phase, release, steps_of
from tests.support.control import condition as condition_of
from tests.support.guarded import (
    CONFIG_MAP,
    ENDLESS,
    FOLLOWERS,
    after,
    before,
    condition,
    inline,
    put_policies,
    results,
    told,
    wait_said,
)
from tests.support.kubectl import Kubectl, Object
from tests.support.namespaces import fresh_namespace
from tests.support.services import Services
from tests.support.workflows import notify, scale, wait_available, workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster
    from shared.bus.embedded import EmbeddedServer

ENDS: Final = ("Completed", "Failed")
KEY: Final = "any_mine.rego"
MANY: Final = 120
LIBRARY: Final = "import data.lib.sizes\n\nallow if input.target_replicas < sizes.most"
NAMED: Final = {
    "lib_sizes.rego": "package lib.sizes\n\nmost := 100\n",
    "scale_deployment_small.rego": inline(LIBRARY, package="precondition.scale_deployment.small"),
    "short.rego": inline("allow := true", package="precondition.scale_deployment"),
    "scale_deployment_preconditions.rego": inline(
        "enough := true\n\nplenty := false", package="precondition.scale_deployment"
    ),
    "any_anywhere.rego": inline("allow := true", package="precondition.any.anywhere"),
}
"""A version with a library, and a policy for each form of a key."""
REFERENCES: Final = {
    "small": None,
    "anywhere": None,
    "by-type": "small.rego",
    "by-short-key": "short.rego",
    "by-key": "scale_deployment_small.rego",
    "by-rule": "configmap:scale_deployment_preconditions:enough",
    "by-rule-of-key": "configmap:scale_deployment_preconditions.rego:enough",
    "allow-of-key": "configmap:scale_deployment_small.rego:allow",
    "inline": inline(LIBRARY),
}
FALSE_REFERENCES: Final = {
    "no-rule": "configmap:scale_deployment_preconditions:nothing",
    "no-key": "nothing.rego",
    "a-library": "lib_sizes.rego",
}
BETWEEN: Final = 2
"""Workflows that run while two write at once."""
LOADED_WITHIN_S: Final = 5.0
"""Requirement; of processor time, so that a busy machine does not count."""


@pytest.fixture(scope="module")
def space(cluster: "LocalCluster") -> Kubectl:
    """Kubectl in the namespace of this module, where the ConfigMap is too."""
    return fresh_namespace(cluster, "policy-versions")


@pytest.fixture(scope="module")
def running(
    cluster: "LocalCluster",
    nats_server: "EmbeddedServer",
    space: Kubectl,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Services]:
    """All six services, with this namespace as that of their ConfigMaps."""
    with Services(
        kubeconfig=cluster.kubeconfig,
        nats_url=nats_server.url,
        namespace=space.namespace,
        logs=tmp_path_factory.mktemp("services"),
        environment={"MENDFLOW_SYSTEM_NAMESPACE": space.namespace},
    ) as services:
        yield services


@pytest.fixture(autouse=True)
def _nothing_left(space: Kubectl, running: Services) -> Iterator[None]:
    yield
    space.ok("delete", "configmap", CONFIG_MAP, "--ignore-not-found")
    assert all(process.is_alive for process in running.processes.values())


def mine(rules: str) -> dict[str, str]:
    """Return a version with one policy, a precondition of every action."""
    return {KEY: inline(rules, package="precondition.any.mine")}


def saying(word: str) -> dict[str, str]:
    """Return a version whose policy never holds, and says a word."""
    return mine(f'default allow := false\n\nerror_message := "{word}"')


def guarded(name: str, *, timeout: str = "1s") -> Object:
    """Return a workflow that asks for the policy."""
    return workflow(name, [before(notify("a"), condition("mine", timeout=timeout))])


def done(space: Kubectl, body: Object) -> Object:
    """Have a workflow carried out and return it at its end."""
    space.apply(body)
    return space.wait_phase(body["metadata"]["name"], *ENDS)


def test_row_86_89_a_new_version_counts_at_once_and_a_bad_one_never(
    space: Kubectl, running: Services
) -> None:
    put_policies(space, "2026.11", mine("allow := true"))
    wait_said(running, "2026.11-", "policies changed")
    first = results(done(space, guarded("first")), "a")["mine"]

    put_policies(space, "bad", {**mine("allow if {"), "notes.txt": ""})
    wait_said(running, "notes.txt", "policies refused")
    second = results(done(space, guarded("second")), "a")["mine"]
    refused = told(space, CONFIG_MAP, "InvalidPolicies")

    put_policies(space, "2026.12", saying("no longer"))
    wait_said(running, "2026.12-", "policies changed")
    third = results(done(space, guarded("third")), "a")["mine"]

    assert first["passed"]
    assert first["policyRevision"].startswith("2026.11-")
    assert (second["passed"], second["policyRevision"]) == (True, first["policyRevision"])
    assert (third["passed"], third["errorMessage"]) == (False, "no longer")
    assert third["policyRevision"].startswith("2026.12-")
    assert refused == (
        f"{first['policyRevision']} stays in force; notes.txt: a key must end in .rego; "
        f"{KEY}: }} is missing at the end"
    )
    for service in FOLLOWERS:
        assert running.metrics(service)['mendflow_policy_reloads_total{result="refused"}'] == 1
        assert [line["event"] for line in running.lines(service)].count("started") == 1


def test_row_86_every_way_to_refer_to_a_policy_means_one(space: Kubectl, running: Services) -> None:
    put_policies(space, "named", NAMED)
    wait_said(running, "named-", "policies changed")
    step = before(
        scale("a", "web", 2), *(condition(kind, rego) for kind, rego in REFERENCES.items())
    )

    ended = done(space, workflow("referring", [step]))

    assert ended["status"]["phase"] == "Completed"
    found = results(ended, "a")
    assert {kind: found[kind]["passed"] for kind in found} == dict.fromkeys(REFERENCES, True)
    for kind, rego in FALSE_REFERENCES.items():
        name = f"referring-{kind}"
        refused = done(space, workflow(name, [before(scale("a", "web", 2), condition(kind, rego))]))
        assert refused["status"]["reason"] == "InvalidPolicy", name


def test_row_86_a_step_that_waits_is_looked_at_again_with_the_new_version(
    space: Kubectl, running: Services
) -> None:
    put_policies(space, "closed", saying("closed"))
    wait_said(running, "closed-", "policies changed")
    space.apply(guarded("patient", timeout="5m"))
    in_phase(space, "patient", a="Blocked")

    put_policies(space, "open", mine("allow := true"))

    ended = space.wait_phase("patient", *ENDS)
    assert ended["status"]["phase"] == "Completed"
    assert results(ended, "a")["mine"]["policyRevision"].startswith("open-")


def test_row_87_without_one_the_policies_that_ship_count(space: Kubectl, running: Services) -> None:
    unknown = done(space, guarded("unknown"))
    exists = before(scale("a", "web", 2), condition("deployment_exists"))
    known = results(done(space, workflow("known", [exists])), "a")["deployment_exists"]

    assert unknown["status"]["reason"] == "InvalidPolicy"
    assert "no precondition 'mine' is known for notify_only" in unknown["status"]["message"]
    assert known["passed"]
    assert known["policyRevision"].startswith("builtin-")
    for service in FOLLOWERS:
        warned = [line for line in running.lines(service) if "no policies" in line["event"]]
        assert [(line["level"], line["uses"]) for line in warned] in (
            [("warning", "defaults")],
            [],
        )


def test_row_87_deleted_mid_run_it_leaves_what_runs_undisturbed(
    space: Kubectl, running: Services
) -> None:
    put_policies(space, "going", mine("allow := true"))
    wait_said(running, "going-", "policies changed")
    steps = [
        before(wait_available("a", "gate"), condition("mine")),
        after(scale("b", "api", 3, "a"), condition("desired_replicas_running")),
        before(notify("c", "b"), condition("mine", timeout="1s")),
    ]
    space.apply(workflow("mid-run", steps))
    claimed(space, "mid-run", "a")

    space.ok("delete", "configmap", CONFIG_MAP)
    wait_said(running, "builtin-", "policies deleted")
    assert told(space, CONFIG_MAP, "PoliciesDeleted")
    assert steps_of(space.get("wfe", "mid-run"))["a"]["phase"] == "Running"
    release(space, "gate")
    ended = space.wait_phase("mid-run", *ENDS)

    phases = {name: step["phase"] for name, step in steps_of(ended).items()}
    assert phases == {"a": "Completed", "b": "Completed", "c": "Failed"}
    assert results(ended, "a")["mine"]["policyRevision"].startswith("going-")
    verified = results(ended, "b")["desired_replicas_running"]
    assert (verified["passed"], verified["policyRevision"][:8]) == (True, "builtin-")
    assert "no precondition 'mine' is known for notify_only" in steps_of(ended)["c"]["message"]


def test_row_88_many_policies_are_swapped_as_one_while_two_write_them(
    space: Kubectl, running: Services
) -> None:
    spent = running.processes["orchestrator-0"].cpu_seconds()
    _put_many(space, "first")
    wait_said(running, "first-", "policies changed")
    spent = running.processes["orchestrator-0"].cpu_seconds() - spent
    found = [done(space, _asking_many("swap-first"))]
    writers = [threading.Thread(target=_put_many, args=(space, name)) for name in ("x", "y")]
    for writer in writers:
        writer.start()
    for number in range(BETWEEN):
        space.apply(_asking_many(f"swap-{number}"))
    for writer in writers:
        writer.join()
    found += [space.wait_phase(f"swap-{number}", *ENDS) for number in range(BETWEEN)]
    _put_many(space, "last")
    wait_said(running, "last-", "policies changed")
    found.append(done(space, _asking_many("swap-last")))

    seen = [_version_of(step) for each in found for step in each["status"]["steps"]]
    assert (seen[0], seen[-1]) == ("first", "last")
    assert {each["status"]["phase"] for each in found} == {"Completed"}
    assert spent < LOADED_WITHIN_S


def _asking_many(name: str) -> Object:
    kinds = [f"p{number}" for number in range(0, MANY, 10)]
    conditions = [condition(kind, required=False) for kind in kinds]
    return workflow(name, [before(notify(f"s{place}"), *conditions) for place in range(5)])


def _version_of(step: Object) -> str:
    """Return the one version that all conditions of a step were answered by."""
    said = {
        (each["policyRevision"].rpartition("-")[0], each["errorMessage"])
        for each in step["preConditionResults"]
    }
    ((version, word),) = said
    assert version == word
    return str(version)


def _put_many(space: Kubectl, version: str) -> None:
    """Write more than a hundred policies, each of which says in which version it is."""
    rules = f'default allow := false\n\nerror_message := "{version}"'
    put_policies(
        space,
        version,
        {
            f"any_p{number}.rego": inline(rules, package=f"precondition.any.p{number}")
            for number in range(MANY)
        },
    )


def test_row_73_safety_policies_without_an_answer_let_nothing_start(
    space: Kubectl, running: Services
) -> None:
    endless = inline(f"default allow := false\n\n{ENDLESS}", package="safety.endless")
    put_policies(space, "stuck", {"safety_endless.rego": endless})
    wait_said(running, "stuck-", "policies changed")
    space.apply(workflow("unanswered", [scale("a", "api", 4)]))

    blocked = in_phase(space, "unanswered", a="Blocked")

    step = steps_of(blocked)["a"]
    assert step["reason"] == "PolicyUnavailable"
    assert step["message"].startswith(
        "not started, the safety policies gave no answer: safety_endless.rego: "
    )
    assert step["safety"]["allowed"] is False
    assert executions(space, "unanswered") == []
    assert condition_of(blocked, "Blocked")["reason"] == "PolicyUnavailable"
    assert told(space, "unanswered", "PolicyUnavailable") == f"step a: {step['message']}"

    space.ok("delete", "configmap", CONFIG_MAP)
    assert space.wait_phase("unanswered", *ENDS)["status"]["phase"] == "Completed"


def test_row_73_an_engine_that_is_killed_delays_and_allows_nothing(
    space: Kubectl, running: Services
) -> None:
    put_policies(space, "shut", saying("shut"))
    wait_said(running, "shut-", "policies changed")
    for name in FOLLOWERS:
        for pid in running.processes[f"{name}-0"].children():
            os.kill(pid, signal.SIGKILL)
    shut = results(done(space, guarded("killed")), "a")["mine"]
    exists = before(scale("a", "web", 2), condition("deployment_exists"))
    ended = done(space, workflow("afterwards", [exists]))

    assert shut["passed"] is False
    assert ended["status"]["phase"] == "Completed"
    assert all(running.processes[f"{name}-0"].children() for name in FOLLOWERS)
