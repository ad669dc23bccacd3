"""Which policy a condition means, and what a version of the policies is."""

import pytest

from shared.api.workflow_spec import StepCondition
from shared.policy.library import Library, LivePolicies, Stage, assembled
from shared.policy.naming import Entry, entry
from shared.policy.port import Policy
from shared.policy.shipped import defaults, shipped

BEFORE, AFTER = Stage.PRECONDITION, Stage.POSTCONDITION
GROUP = """package precondition.scale_deployment
import rego.v1
default two_pods := false
two_pods if count(input.pods) == 2
two_pods_error_message := "not two pods" if not two_pods
"""


def _texts(**texts: str) -> list[Entry]:
    entries = []
    for name, text in texts.items():
        found = entry(f"{name}.rego", text)
        assert isinstance(found, Entry), found
        entries.append(found)
    return entries


def _library(**texts: str) -> Library:
    return assembled((*shipped(), *_texts(**texts)), version="v7")


def _found(
    library: Library,
    type_: str,
    rego: str | None = None,
    *,
    stage: Stage = BEFORE,
    action: str = "scale_deployment",
) -> Policy | str:
    condition = StepCondition(type=type_, description="d", rego=rego)
    return library.find(stage, action, condition)


def _policy(found: Policy | str) -> Policy:
    assert isinstance(found, Policy), found
    return found


@pytest.mark.parametrize(
    ("stage", "action", "type_"),
    [
        (BEFORE, "scale_deployment", "deployment_exists"),
        (BEFORE, "ScaleDeployment", "cluster_capacity_available"),
        (BEFORE, "scale-deployment", "current_replicas_match"),
        (AFTER, "scale_deployment", "desired_replicas_running"),
        (AFTER, "scale_deployment", "deployment_health_check"),
        (BEFORE, "update_image", "image_pull_secrets_valid"),
        (BEFORE, "restart_deployment", "node_selector_matches"),
        (AFTER, "delete_pod", "no_crashloop_pods"),
        (AFTER, "update_image", "resource_usage_acceptable"),
    ],
)
def test_the_nine_that_ship_are_found_by_type(stage: Stage, action: str, type_: str) -> None:
    library = defaults()
    policy = _policy(_found(library, type_, stage=stage, action=action))

    assert policy.package.split(".")[0] == stage
    assert policy.package.endswith(f".{type_}")
    assert library.known(stage, action, type_)


@pytest.mark.parametrize(
    ("stage", "alias", "type_"),
    [
        (BEFORE, "replicas_match", "current_replicas_match"),
        (AFTER, "replicas_running", "desired_replicas_running"),
        (AFTER, "health_check", "deployment_health_check"),
    ],
)
def test_short_names_mean_the_same(stage: Stage, alias: str, type_: str) -> None:
    library = defaults()

    assert _found(library, alias, stage=stage) == _found(library, type_, stage=stage)


def test_a_policy_is_for_its_stage_and_action() -> None:
    library = defaults()

    assert not library.known(AFTER, "scale_deployment", "deployment_exists")
    assert not library.known(BEFORE, "update_image", "deployment_exists")
    why = _found(library, "deployment_exists", action="update_image")
    assert why == (
        "no precondition 'deployment_exists' is known for update_image; it needs Rego of its own,"
        " a reference, or one of: image_pull_secrets_valid, node_selector_matches"
    )


def test_the_safety_set_that_ships_denies() -> None:
    safety = defaults().safety

    names = ["actions", "data_size", "gitops", "namespaces", "nodes", "production", "scaling"]
    assert [policy.name for policy in safety] == [f"safety_{name}.rego" for name in names]
    assert all(policy.is_deny and policy.reasons == "deny" for policy in safety)


def test_a_library_goes_to_those_that_name_it() -> None:
    policies = {policy.name: policy for policy in defaults().safety}

    assert len(policies["safety_nodes.rego"].libraries) == 1
    assert policies["safety_actions.rego"].libraries == ()


def test_an_inline_policy_keeps_its_package_and_sees_the_libraries() -> None:
    text = "package mine\nimport rego.v1\nimport data.lib.actions\nallow if actions.changes\n"
    policy = _policy(_found(defaults(), "own", text))

    assert (policy.package, policy.module, policy.rule) == ("mine", text.strip(), "allow")
    assert policy.libraries == defaults().libraries


@pytest.mark.parametrize(
    ("rego", "why"),
    [
        ("allow := true\npackage a", "first statement must be a package line"),
        ("package lib.mine\nallow := true", "is for libraries"),
        ("deployment exists", "neither a policy"),
        ("nowhere.rego", "there is no policy 'nowhere.rego'"),
        ("configmap:nowhere.rego:allow", "there is no policy 'nowhere.rego'"),
        ("configmap:scale_deployment_preconditions.rego:three", "has no rule 'three'"),
        ("configmap:scale_deployment_preconditions.rego", "has no rule 'allow'"),
        ("configmap:", "there is no policy ''"),
        ("elsewhere:key:rule", "neither a policy"),
    ],
)
def test_what_leads_nowhere_says_why(rego: str, why: str) -> None:
    found = _found(_library(scale_deployment_preconditions=GROUP), "own", rego)

    assert isinstance(found, str)
    assert why in found


def test_a_reference_by_action_and_type_works_for_another_action() -> None:
    found = _found(
        defaults(), "there", "scale_deployment_deployment_exists.rego", action="update_image"
    )

    assert _policy(found).package == "precondition.scale_deployment.deployment_exists"


def test_a_reference_by_type_means_the_action_of_the_step() -> None:
    assert _found(defaults(), "there", "deployment_exists.rego") == _found(
        defaults(), "deployment_exists"
    )


def test_a_key_by_type_has_a_package_per_action() -> None:
    library = _library(web_up="package precondition.scale_deployment\nallow := true\n")

    assert _policy(_found(library, "web_up")).package == "precondition.scale_deployment"
    assert _found(library, "other", "web_up.rego") == _found(library, "web_up")


@pytest.mark.parametrize("home", ["configmap", "kubernaut-workflow-conditions"])
@pytest.mark.parametrize("suffix", [".rego", ""])
def test_a_rule_of_a_group_is_a_policy(home: str, suffix: str) -> None:
    library = _library(scale_deployment_preconditions=GROUP)
    rego = f"{home}:scale_deployment_preconditions{suffix}:two_pods"
    policy = _policy(_found(library, "two_pods", rego))

    assert (policy.rule, policy.reasons) == ("two_pods", "two_pods_error_message")
    assert policy.package == "precondition.scale_deployment"


def test_a_config_map_replaces_what_ships_and_leaves_the_rest() -> None:
    text = "package precondition.scale_deployment.deployment_exists\nallow := true\n"
    library = _library(scale_deployment_deployment_exists=text)

    assert _policy(_found(library, "deployment_exists")).module == text
    assert library.known(BEFORE, "scale_deployment", "cluster_capacity_available")
    assert len(library.conditions) == len(defaults().conditions)


def test_a_safety_policy_is_replaced_by_its_name_and_added_to_the_others() -> None:
    library = _library(
        safety_nodes="package safety.nodes\nallow := true\n",
        safety_mine="package safety.mine\nallow := true\n",
    )

    names = [policy.name for policy in library.safety]
    assert len(names) == len(defaults().safety) + 1
    assert names.count("safety_nodes.rego") == 1


def test_a_revision_changes_with_every_text_and_is_the_same_for_the_same() -> None:
    one = _library(safety_mine="package safety.mine\nallow := true\n")
    same = _library(safety_mine="package safety.mine\nallow := true\n")
    other = _library(safety_mine="package safety.mine\nallow := false\n")

    assert one.revision == same.revision
    assert one.revision != other.revision
    assert one.revision.startswith("v7-")


def test_a_revision_is_never_too_long() -> None:
    library = assembled(shipped(), version="v" * 63)

    assert len(library.revision) == 64


def test_a_library_is_swapped_as_a_whole() -> None:
    live = LivePolicies(defaults())
    held = live.current
    library = _library(safety_mine="package safety.mine\nallow := true\n")

    assert live.swap(library)
    assert live.current is library
    assert held == defaults()
    assert not live.swap(library)
