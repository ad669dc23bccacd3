"""Which policies are given to the interpreter."""

import pytest

from shared.policy.screening import problems
from tests.support.rego import PACKAGE, policy

GOOD = [
    "allow := true",
    "default allow := false\nallow if input.a",
    "allow if count(input.pods) > 0",
    'allow if contains(input.name, "x")',
    "f(x) := x + 1\nallow if f(1) == 2",
    "allow if every p in input.pods { p.ready }",
    "allow if not input.time",
    "allow if input.opa.runtime.http",
    "allow if units.parse_bytes(input.m) > 1",
    "allow if { x := input with input as {}; x }",
    "allow if { input.a } else := false",
    'allow if "http.send(x)" == `regex.match("a")`  # walk(input)',
    "allow if (input.a) # comment",
    "allow if input.n in {1, 2}",
    "s := set()\nallow if s == set()",
]
BAD = [
    "allow if http.send({})",
    "allow if not http.send({})",
    "allow if { x := http.send; x({}) }",
    'allow if http["send"]({})',
    "allow if http\n.send({})",
    "allow if http .send({})",
    "allow if http. send({})",
    "allow if 1.http.send({})",
    "allow if opa.runtime().env",
    "allow if walk(input, x)",
    "allow if {\nwalk(input, x)\n}",
    "allow if\nwalk(input, x)",
    "walk(x) := 1\nallow if walk(1)",
    "allow if { count(input) with count as walk }",
    "allow if { f(1) with f as http.send }\nf(x) := x",
    "allow if { input.a with data.lib.x as 1 }",
    "allow if { input.a with time.now_ns as 1 }",
    "allow if unheard_of(1)",
    "allow if brand.new_function(1)",
    "allow if regex.match(`a`, input.a)",
    "allow if json.unmarshal(input.a)",
    "allow if internal.print([])",
    "import http\nallow if input",
    "import opa.runtime as r\nallow if r()",
    "import data.lib.missing\nallow if missing.f(1)",
    "import data.other\nallow := true",
    "import input.x as count\nallow := true",
    "allow := true\nimport rego.v1",
    "allow := true\npackage other",
    'allow if input.a == "\\u0061"',
    'allow if input.a == "\\/"',
    'allow if input.a == "a\nb"',
    "allow if input.a == 'a'",
    "allow if ínput.a",
    'allow if input.a == $"{input.b}"',
    "allow if (",
    "allow if )",
    "allow if [1}",
    "allow := " + "[" * 201 + "]" * 201,
    "allow := true\n#" + "x" * 65536,
    "allow := true\n#" + "é" * 33000,
    "other := true",
]


def screened(rules: str) -> list[str]:
    asked = policy(rules)
    return problems(asked.package, asked.module, asked.libraries, asked.rule, asked.reasons)


@pytest.mark.parametrize("rules", GOOD)
def test_what_only_computes_is_fine(rules: str) -> None:
    assert screened(rules) == []


@pytest.mark.parametrize("rules", BAD, ids=lambda rules: rules[:40])
def test_anything_else_is_refused(rules: str) -> None:
    assert screened(rules)


@pytest.mark.parametrize(
    "package", ["other", "lib.x", "", "a..b", "a-b", f"{PACKAGE}.more", "precondition"]
)
def test_the_package_is_the_declared_one(package: str) -> None:
    module = policy("allow := true").module

    assert problems(package, module, (), "allow", "error_message")


@pytest.mark.parametrize(
    "libraries",
    [
        ("package other\nf(x) := x\n",),
        ("package lib.a\nf(x) := x\n", "package lib.a\nf(x) := x\n"),
        ("package lib.a\nf(x) := http.send(x)\n",),
        ("package lib\nf(x) := x\n",),
        ("",),
        tuple(f"package lib.a{n}\nf(x) := x\n" for n in range(17)),
    ],
)
def test_libraries_are_screened_too(libraries: tuple[str, ...]) -> None:
    assert problems(PACKAGE, policy("allow := true").module, libraries, "allow", "deny")


def test_a_library_may_be_used_by_each_of_its_names() -> None:
    library = "package lib.a.b\nimport rego.v1\nf(x) := x\n"
    for use in ("data.lib.a.b\nallow if b.f(1)", "data.lib.a.b as c\nallow if c.f(1)"):
        module = f"package {PACKAGE}\nimport rego.v1\nimport {use}\n"
        assert problems(PACKAGE, module, (library,), "allow", "deny") == []


def test_nesting_up_to_the_bound_is_fine() -> None:
    assert screened("allow := " + "[" * 200 + "]" * 200) == []


@pytest.mark.parametrize("name", ["a b", "allow)", "", "not", "a/b", "a.b"])
def test_rules_have_plain_names(name: str) -> None:
    module = policy("allow := true").module

    assert problems(PACKAGE, module, (), name, "error_message")
    assert problems(PACKAGE, module, (), "allow", name)
