"""What keys, packages and references make of a text."""

import pytest

from shared.policy.naming import Entry, Kind, Stage, entry, is_policy, package_of, rules_of


@pytest.mark.parametrize(
    ("text", "package"),
    [
        ("package a.b\nallow := true", "a.b"),
        ("# package no\n\n  package a.b_2 # yes\n", "a.b_2"),
        ("package\ta", "a"),
        ("allow := true\npackage a", None),
        ('package a["b"]', None),
        ("package a; allow := true", None),
        ("package a..b", None),
        ("package", None),
        ("packages a", None),
        ("", None),
    ],
)
def test_only_a_plain_first_statement_is_a_package(text: str, package: str | None) -> None:
    assert package_of(text) == package


def test_a_reference_is_no_policy() -> None:
    assert not is_policy("deployment_exists.rego")
    assert not is_policy("configmap:package.rego:rule")
    assert is_policy("allow := true\npackage a")


def test_rules_stand_at_the_beginning_of_a_line() -> None:
    text = "package a\nimport rego.v1\ndefault one := false\none if {\n\ttwo\n}\nthree contains 1\n"

    assert rules_of(text) == {"one", "three"}


@pytest.mark.parametrize(
    ("key", "package", "action", "kind"),
    [
        ("scale_deployment_ok.rego", "precondition.scale_deployment.ok", "scale_deployment", "ok"),
        ("ok.rego", "precondition.scale_deployment.ok", "scale_deployment", "ok"),
        ("ok.rego", "postcondition.scale_deployment", "scale_deployment", "ok"),
        ("ScaleDeployment_ok.rego", "precondition.ScaleDeployment.ok", "scale_deployment", "ok"),
        ("any_ok.rego", "postcondition.any.ok", "any", "ok"),
    ],
)
def test_a_condition_is_known_by_its_key_and_package(
    key: str, package: str, action: str, kind: str
) -> None:
    found = entry(key, f"package {package}\n")

    assert isinstance(found, Entry)
    assert (found.kind, found.action, found.type) == (Kind.CONDITION, action, kind)
    assert found.stage is Stage(package.split(".", maxsplit=1)[0])


@pytest.mark.parametrize(
    ("key", "package", "kind"),
    [
        ("scale_deployment_preconditions.rego", "precondition.scale_deployment", Kind.GROUP),
        ("any_postconditions.rego", "postcondition.any", Kind.GROUP),
        ("safety_mine.rego", "safety.mine", Kind.SAFETY),
        ("lib_mine.rego", "lib.mine", Kind.LIBRARY),
        ("lib_mine.rego", "lib.deep.mine", Kind.LIBRARY),
    ],
)
def test_other_kinds_are_known_too(key: str, package: str, kind: Kind) -> None:
    found = entry(key, f"package {package}\n")

    assert isinstance(found, Entry)
    assert found.kind is kind


@pytest.mark.parametrize(
    ("key", "text", "why"),
    [
        ("ok.txt", "package precondition.a.ok", "must end in .rego"),
        ("ok.rego", "allow := true", "first statement must be a package line"),
        ("ok.rego", "package other.a.ok", "must begin with precondition"),
        ("ok.rego", "package precondition", "must agree"),
        ("ok.rego", "package precondition.a.b.c", "must agree"),
        ("ok.rego", "package precondition.a.different", "must agree"),
        ("b_ok.rego", "package precondition.a.ok", "must agree"),
        ("safety_a.rego", "package safety.b", "must agree"),
        ("safety_a.rego", "package safety.a.b", "must agree"),
        ("a.rego", "package safety.a", "must agree"),
        ("safety_a.rego", "package safety", "must agree"),
        ("lib_a.rego", "package safety.a", "a library has a key"),
        ("a.rego", "package lib.a", "a library has a key"),
        ("lib_a.rego", "package lib", "a library has a key"),
    ],
)
def test_what_nothing_would_find_is_refused(key: str, text: str, why: str) -> None:
    found = entry(key, text)

    assert isinstance(found, str)
    assert why in found
