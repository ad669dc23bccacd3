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
    "rr": {"severity": "critical", "steps": {"count": 3}},
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
        ('["web-1", "web"].filter(r, r.matches("^web-[0-9]+$"))', ["web-1"]),
        ('rr.severity in ["critical", "warning"]', True),
        ("rr.steps.count-1", 2),
        ("vars.wanted // wanted, not steps.other-1\n + 1", 5),
        (r'vars.image.matches(r"^web:\d+")', True),
        ("has(rr.none) ? rr.none : 'é'", "é"),
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
        ("nothing.here", "there are vars, steps, workflow"),
        ("step.scale.phase", "did you mean 'steps'"),
        ("steps.scale-api.phase", "step 'scale-api' does not run before this one"),
        (".vars[workflow.name]", "vars.<name>"),
        ("1 in .steps", "steps.<name>"),
        ("vars.imag", "did you mean 'image'"),
        ("vars.none", "workflowDefinition.variables"),
        ("steps.other.phase", "depend on it"),
        ("vars[workflow.name]", "vars.<name>"),
        ("steps", "steps.<name>"),
        ("x" * 1025, "1024"),
        ("(" * 500 + "1" + ")" * 500, "recursion limit"),
        ("[1].map(a, [1].map(b, b))", "at most one"),
        ("[1]. // a\nmap // b\n(a, [1].map(b, b))", "at most one"),
        ('1 // "\n + [1].map(a, [1].map(b, b))[0][0] // "', "at most one"),
        ('"""a"b""" + string([1].map(a, [1].map(b, b))[0][0]) + "x"', "at most one"),
        ('[1].map(a, ""' + ' + "x"' * 5 + ")", "beside a macro"),
        ("[" + ", ".join("1" * 200) + "].map(a, a)", "512 characters with a macro"),
        ("vars.image.matches(rr.pattern)", "write a pattern as it is"),
        ('"a".matches("""a""" + rr.pattern + """b""")', "write a pattern as it is"),
        (" || ".join(['"a".matches("a")'] * 9), "9 times matches"),
        ('[1].all(a, "a".matches("(a{900})"))', "one pattern at most"),
        ('[1].all(a, "a".matches(r"\\pL"))', "one pattern at most"),
        ('[1].all(a, "a".matches("a\\x7b900}"))', "one pattern at most"),
        ('[1].all(a, "a".matches("' + "a" * 65 + '"))', "one pattern at most"),
        ('[1].all(a, "a".matches("a") || "a".matches("b"))', "one pattern at most"),
        ('"\ud800"', "not a valid text"),
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


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"few": list(range(129))}, "rr.few has more than 128 entries"),
        ({"few": [1], "log": "x" * 4097}, "rr.log is longer than 4096"),
        ({"few": [1], "more": [[1] * 100] * 20}, "rr holds more than 512 values"),
    ],
)
def test_what_walks_a_list_is_kept_from_large_data(data: dict[str, Any], told: str) -> None:
    scope = SCOPE | {"rr": data}

    assert evaluate("size(rr.few) > 0", scope) is True
    with pytest.raises(ExpressionError, match=told):
        evaluate("rr.few.all(a, a >= 0)", scope)


def test_a_value_of_too_many_parts_is_refused() -> None:
    with pytest.raises(ExpressionError, match="gives more than 4096 values"):
        evaluate("[" + ", ".join(["rr.list"] * 100) + "]", SCOPE | {"rr": {"list": [1] * 100}})


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
