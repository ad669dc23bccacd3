"""`${...}` in parameters: typed, bounded, and never twice."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.api.parameters import NotifyOnly, Parameters, ScaleDeployment, UpdateImage
from shared.expressions.expression import ExpressionError
from shared.expressions.substitution import (
    expressions_in,
    substitute,
    substituted_parameters,
)

SCOPE: dict[str, Any] = {
    "vars": {
        "n": 3,
        "name": "web",
        "nested": "x${y}",
        "tag": "1.2",
        "ok": True,
        "none": None,
        "ratio": 4.0,
        "dollar": "$",
        "braces": "{vars.n}",
    },
    "steps": {"scale": {"result": {"previousReplicas": 2}}},
    "workflow": {},
    "remediation": {},
    "rr": {},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${vars.n}", 3),
        ("${vars.n + 1} of ${vars.n * 2}", "4 of 6"),
        ("${vars.ok}!", "true!"),
        ('web-${"}" + vars.tag}', "web-}1.2"),
        ('${{"a": vars.n}}', {"a": 3}),
        ("${vars.ratio} of ${vars.name}s", "4.0 of webs"),
        ('${"""a"}b"""}', 'a"}b'),
        (r"${'\'}' + vars.tag}", "'}1.2"),
        ("$${vars.n}", "${vars.n}"),
        ("$${x} is ${vars.n}", "${x} is 3"),
        ("costs $5", "costs $5"),
        ("${steps.scale.result.previousReplicas}", 2),
    ],
)
def test_row_95_a_value_takes_the_place_of_its_expression(text: str, value: object) -> None:
    assert substitute({"a": [text]}, SCOPE) == {"a": [value]}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("${vars.nested}", "may not hold an expression"),
        ("${vars.dollar}${vars.braces}", "values together make up an expression"),
        ("${vars.dollar}{x}", "values together make up an expression"),
        ("${" + "vars.name + " * 9 + "'" + "x" * 900 + "'}" + "y" * 4096, "longer than 4096"),
        ("a${[1]}", "a list cannot be part of a text"),
        ("a${vars.none}", "a null cannot be part"),
        ("${vars.n", "no } ends"),
        ("${vars.other}", "Key not found"),
    ],
)
def test_what_cannot_be_put_in_names_its_path(text: str, told: str) -> None:
    with pytest.raises(ExpressionError, match=rf"^a\.b: .*{told}"):
        substitute({"a": {"b": text}}, SCOPE)


def test_parameters_come_back_typed() -> None:
    scale = ScaleDeployment(deployment="${vars.name}-${vars.n}", replicas="${vars.n + 1}")

    done = substituted_parameters(Parameters(scale_deployment=scale), SCOPE)

    assert done.scale_deployment == ScaleDeployment(deployment="web-3", replicas=4)


@pytest.mark.parametrize(
    ("replicas", "told"),
    [
        ("${vars.name}", "expected int, got str"),
        ("${vars.ok}", "expected int, got bool"),
        ("${vars.ratio}", "expected int, got float"),
        ("${vars.none}", "expected int, got null"),
        ("${vars.n * 1000}", "expected int <= 1000"),
        ("${0 - 1}", "expected int >= 0"),
    ],
)
def test_a_wrong_type_names_the_field(replicas: str, told: str) -> None:
    scale = ScaleDeployment(deployment="web", replicas=replicas)

    with pytest.raises(ExpressionError, match=rf"^scaleDeployment\.replicas: {told}$"):
        substituted_parameters(Parameters(scale_deployment=scale), SCOPE)


def test_a_name_no_object_can_have_is_refused() -> None:
    image = UpdateImage(deployment="${vars.tag + '/'}", container="web", new_image="web:1")

    with pytest.raises(ExpressionError, match=r"updateImage\.deployment"):
        substituted_parameters(Parameters(update_image=image), SCOPE)


def test_an_escaped_text_is_plain_in_the_end() -> None:
    notice = NotifyOnly(message="costs $${x}")

    done = substituted_parameters(Parameters(notify_only=notice), SCOPE)

    assert done.notify_only == NotifyOnly(message="costs ${x}")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("replicas", "three"),
        ("replicas", "${vars.n}0"),
        ("replicas", "$${vars.n}"),
        ("deployment", "$${vars.n}"),
        ("deployment", "${vars.n}-$${x}"),
        ("deployment", "Web"),
        ("namespace", "a$${x}"),
    ],
)
def test_what_would_never_be_a_value_is_refused_at_the_door(field: str, value: str) -> None:
    scale = {"deployment": "web", "replicas": 1} | {field: value}

    with pytest.raises(msgspec.ValidationError, match=f"scaleDeployment.{field}"):
        msgspec.convert({"scaleDeployment": scale}, Parameters)


def test_a_name_may_hold_expressions() -> None:
    name = '${vars.name.matches("^a$") ? "a" : "b"}-${vars.n}'
    scale = {"deployment": name, "namespace": "${vars.name}", "replicas": "${vars.n}"}

    done = substituted_parameters(msgspec.convert({"scaleDeployment": scale}, Parameters), SCOPE)

    assert done.scale_deployment == ScaleDeployment(deployment="b-3", namespace="web", replicas=3)


def test_expressions_are_found_with_their_paths() -> None:
    found = expressions_in({"a": {"b": ["${x}", "y ${z} ${w}"]}, "c": 1})

    assert found == [("a.b[0]", "x"), ("a.b[1]", "z"), ("a.b[1]", "w")]


@given(st.text().filter(lambda text: "${" not in text))
def test_text_without_expressions_stays(text: str) -> None:
    assert substitute(text, SCOPE) == text
