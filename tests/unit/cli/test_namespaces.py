"""`mendflow namespace`: what is printed for an admin to apply, and what is refused."""

from typing import Any

import pytest
import yaml

from cli.mendflow import main
from cli.namespaces.choosing import BEYOND, WITHIN
from cli.namespaces.opting_in import manifests
from shared.effects.identities import account_of, role_of
from shared.effects.rights import RIGHTS


def printed(*words: str, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    assert main(["namespace", *words]) == 0
    return list(yaml.safe_load_all(capsys.readouterr().out))


def of(kind: str, objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in objects if each["kind"] == kind]


def names(objects: list[dict[str, Any]]) -> set[str]:
    return {each["metadata"]["name"] for each in objects}


def test_all_that_acts_in_a_namespace_and_nothing_beyond(
    capsys: pytest.CaptureFixture[str],
) -> None:
    objects = printed("shop", capsys=capsys)

    assert set(WITHIN) | set(BEYOND) == set(RIGHTS)
    accounts = {account_of(action) for action in WITHIN}
    assert names(of("ServiceAccount", objects)) == accounts | {"mendflow-job"}
    assert {each["roleRef"]["name"] for each in of("RoleBinding", objects)} == {
        *(role_of(action) for action in WITHIN),
        "mendflow-impersonation",
    }
    assert {each["metadata"].get("namespace") for each in objects} == {"shop"}
    assert not of("ClusterRoleBinding", objects)


def test_the_executor_may_act_as_these_accounts_only(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--actions", "ScaleDeployment,rollout-restart", "--cluster-actions", "drain_node")
    objects = printed("shop", *words, capsys=capsys)

    (role,) = of("Role", objects)
    (rule,) = role["rules"]
    assert rule["verbs"] == ["impersonate"]
    assert rule["resources"] == ["serviceaccounts"]
    assert set(rule["resourceNames"]) == names(of("ServiceAccount", objects))
    assert len(rule["resourceNames"]) == 3
    (binding,) = (b for b in of("RoleBinding", objects) if b["roleRef"]["kind"] == "Role")
    assert {(s["namespace"], s["name"]) for s in binding["subjects"]} == {
        ("kubernaut-system", "mendflow-executor"),
        ("kubernaut-system", "mendflow"),
    }


def test_what_reaches_further_is_bound_as_far_as_it_reaches(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ("--actions", "", "--cluster-actions", "cordon_node,restart_network")
    objects = printed("ops", *words, capsys=capsys)

    (whole,) = of("ClusterRoleBinding", objects)
    assert whole["subjects"] == [
        {"kind": "ServiceAccount", "name": "mendflow-cordon-node", "namespace": "ops"}
    ]
    (system,) = (b for b in objects if b["metadata"].get("namespace") == "kube-system")
    assert system["kind"] == "RoleBinding"
    assert system["subjects"][0]["name"] == "mendflow-restart-network"
    assert system["metadata"]["name"].endswith(":ops")


def test_the_services_may_run_elsewhere() -> None:
    objects = list(yaml.safe_load_all(manifests("shop", system_namespace="mend")))

    executors = [b for b in objects if b["metadata"]["name"] == "mendflow-impersonation"][-1]
    assert {each["namespace"] for each in executors["subjects"]} == {"mend"}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["Shop"], "no name of a namespace"),
        (["shop-"], "no name of a namespace"),
        (["shop", "--system-namespace", "a.b"], "no name of a namespace"),
        (["shop", "--actions", "scale_deploymnt"], "did you mean scale_deployment?"),
        (["shop", "--actions", "fly"], "there is no action 'fly'; `mendflow namespace --help`"),
        (["shop", "--actions", "cordon_node"], "name it in --cluster-actions"),
        (["shop", "--cluster-actions", "scale_deployment"], "name it in --actions"),
        (["shop", "--actions", "notify_only"], "needs no account: leave it out"),
        (["shop", "--actions", " , "], "no action is left"),
    ],
)
def test_what_makes_no_sense_is_told_apart(
    words: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["namespace", *words]) == 2

    told = capsys.readouterr()
    assert told.out == ""
    assert why in told.err


def test_the_help_names_every_action(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["namespace", "--help"])

    told = capsys.readouterr().out
    assert all(action in told for action in RIGHTS)
