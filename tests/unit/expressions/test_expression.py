"""Expressions: what they can say, what they may look at, and that none does harm."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.expressions.expression import ExpressionError, evaluate, problems, truth

SCOPE: dict[str, Any] = {
    "vars": {"wanted": 4, "ratio": 0.5, "image": "web:1.2", "urgent": True},
    "steps": {
        "scale-web": {
            "phase": "Completed",
            "attempts": 1,
            "result": {"previousReplicas": 2, "newReplicas": 4, "resourcesAffected": ["a", "b"]},
        },
        "scale": {"phase": "Skipped", "attempts": 0, "result": {}},
    },
    "workflow": {"name": "fix", "namespace": "shop", "uid": "u"},
    "remediation": {"severity": "critical"},
    "rr": {"severity": "critical"},
}
STEPS, VARIABLES = SCOPE["steps"].keys(), SCOPE["vars"].keys()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("vars.wanted + 1", 5),
        ("vars.wanted - steps.scale-web.result.previousReplicas * 2", 0),
        ("7 / 2", 3),
        ("vars.ratio * 3.0", 1.5),
        ("steps.scale-web.result.newReplicas", 4),
        ('steps["scale-web"].phase', "Completed"),
        ("steps.scale-web.result.newReplicas-1", 3),
        ("vars.wanted > 3 && !(vars.wanted >= 5)", True),
        ('vars.image.matches("^web:[0-9.]+$")', True),
        ('vars.image.startsWith("api")', False),
        ('vars.urgent ? "now" : "later"', "now"),
        ("has(steps.scale-web.result.none)", False),
        ('steps.scale-web.result.resourcesAffected.exists(r, r == "b")', True),
        ('rr.severity in ["critical", "warning"]', True),
        ('"steps.scale-web stays as it is"', "steps.scale-web stays as it is"),
        ("[1, 2]", [1, 2]),
        ('{"a": [null]}', {"a": [None]}),
    ],
)
def test_row_92_arithmetic_comparison_and_patterns(text: str, value: object) -> None:
    assert problems(text, steps=STEPS, variables=VARIABLES) == []
    assert evaluate(text, SCOPE) == value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1 +", "Syntax error"),
        ("nothing.here", "undeclared reference to 'nothing"),
        ("vars.imag", "did you mean 'image'"),
        ("vars.none", "workflowDefinition.variables"),
        ("steps.other.phase", "depend on it"),
        ("vars[workflow.name]", "vars.<name>"),
        ("steps", "steps.<name>"),
        ("x" * 1025, "1024"),
        ("(" * 500 + "1" + ")" * 500, "recursion limit"),
        ("[1].map(a, [1].map(b, b))", "at most one"),
        ('[1].map(a, ""' + ' + "x"' * 20 + ")", "beside a macro"),
        ('"\ud800"', ""),
        ("", "Syntax error"),
    ],
)
def test_row_95_what_cannot_work_is_told_before_it_runs(text: str, told: str) -> None:
    (problem,) = problems(text, steps=STEPS, variables=VARIABLES)

    assert told in problem
    assert "\n" not in problem


@pytest.mark.parametrize(
    "text", ["vars.none", "1 / 0", "vars.wanted + vars.image", "b'x'", "type(1)"]
)
def test_without_a_value_there_is_a_clear_error(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(text, SCOPE)

    assert 0 < len(str(caught.value)) <= 200


@pytest.mark.parametrize("text", ["1", '"true"', "null", "vars.image"])
def test_only_a_truth_value_decides(text: str) -> None:
    with pytest.raises(ExpressionError, match="must be true or false"):
        truth(text, SCOPE)


@pytest.mark.parametrize(
    "text",
    [
        "!" * 1000 + "true",
        "-" * 1000 + "1",
        '"' + "a" * 30 + '!".matches("(a+)+$")',
        "vars.wanted" + ".a" * 400,
        "[" + ",".join("1" * 400) + "].map(a, vars.image)",
        "true" + "?true:true" * 90,
    ],
)
def test_hostile_text_ends_with_a_value_or_an_error(text: str) -> None:
    assert len(_told(text)) <= 200


@given(st.text(max_size=200))
def test_any_text_has_a_value_or_an_error(text: str) -> None:
    assert "\n" not in _told(text)


def _told(text: str) -> str:
    """Return what is told of an expression without a value; empty for one that has one."""
    try:
        evaluate(text, SCOPE)
    except ExpressionError as error:
        return str(error)
    return ""
