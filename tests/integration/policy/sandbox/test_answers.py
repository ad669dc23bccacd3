"""What policies may answer, and what becomes of each answer."""

import asyncio
from typing import Any

import pytest

from shared.policy.engine import WorkerEngine
from shared.policy.port import Failure, Policy
from tests.support.rego import PACKAGE, policy

Input = dict[str, Any]


@pytest.mark.parametrize(
    ("rules", "allowed", "failure"),
    [
        ("allow := true", True, None),
        ("allow := false", False, None),
        ("allow if input.missing", False, None),
        ('allow := "true"', False, Failure.NOT_BOOLEAN),
        ('allow := "yes"', False, Failure.NOT_BOOLEAN),
        ("allow := 1", False, Failure.NOT_BOOLEAN),
        ("allow := null", False, Failure.NOT_BOOLEAN),
        ("allow := [true]", False, Failure.NOT_BOOLEAN),
        ('allow contains "x" if true', False, Failure.NOT_BOOLEAN),
        ("allow := true if input.n == 1\nallow := false if input.n == 1", False, Failure.ERROR),
        ("allow if allow", False, Failure.ERROR),
        ("allow if not allow", False, Failure.ERROR),
        ("allow if {", False, Failure.REFUSED),
        ("allow := := true", False, Failure.ERROR),
    ],
)
async def test_row_81_undefined_error_and_non_boolean_do_not_allow(
    engine: WorkerEngine, rules: str, *, allowed: bool, failure: Failure | None
) -> None:
    before = await engine.decide(policy("allow := true"), {}, tenant="t")
    workers = engine.pids

    verdict = await engine.decide(policy(rules), {"n": 1}, tenant="t")

    assert before.allowed
    assert (verdict.allowed, verdict.failure) == (allowed, failure)
    assert verdict.allowed or all(verdict.reasons)
    assert bool(verdict.reasons) is not verdict.allowed
    assert set(workers) <= set(engine.pids)


@pytest.mark.parametrize(
    "rules",
    [
        "allow if not units.parse_bytes(input.garbage)",
        "allow if not to_number(input.garbage)",
        "allow if not upper(input.n)",
        "allow if not 1 / (input.n - 1)",
        "allow if not input.n + input.garbage",
        "default allow := true\nallow := false if units.parse_bytes(input.garbage) < 100",
        "default allow := true\nallow := false if allow",
        "allow if not [1 | 1 / 0 == 1][0]",
        "allow if not broken\nbroken := true if upper(input.n) == 1",
        "allow if broken == false\ndefault broken := false\nbroken if count(input.n) > 1",
        "allow if { not input.missing; every x in [1] { not to_number(input.garbage) } }",
        'allow := false if input.n == upper(1)\nelse := true if input.garbage == "x1"',
        "allow if not f(input.n)\nf(x) := upper(x)",
        "allow if count({x | x := upper(input.n)}) == 0",
    ],
)
async def test_no_function_that_fails_allows(engine: WorkerEngine, rules: str) -> None:
    verdict = await engine.decide(policy(rules), {"n": 1, "garbage": "x1"}, tenant="t")

    assert (verdict.allowed, verdict.failure) == (False, Failure.ERROR)


async def test_a_rule_of_another_package_does_not_allow(engine: WorkerEngine) -> None:
    wrong = Policy(name="x", package=PACKAGE, module="package other\nallow := true\n")

    verdict = await engine.decide(wrong, {}, tenant="t")

    assert (verdict.allowed, verdict.failure) == (False, Failure.REFUSED)


async def test_policies_of_one_package_do_not_mix(engine: WorkerEngine) -> None:
    yes, no = policy("allow := true"), policy("allow := false")

    verdicts = [await engine.decide(each, {}, tenant="t") for each in (yes, no) * 10]

    assert [verdict.allowed for verdict in verdicts] == [True, False] * 10


async def test_nothing_of_an_earlier_input_is_left(engine: WorkerEngine) -> None:
    asked = policy("allow if input.a == 1")
    inputs: list[Input] = [{"a": 1}, {}, {"a": 1, "b": 2}, {"b": 2}, {"a": {"a": 1}}]

    verdicts = [await engine.decide(asked, each, tenant="t") for each in inputs]

    assert [verdict.allowed for verdict in verdicts] == [True, False, True, False, False]


TEXTS = ['a"b', "a\\b", 'a\\"', "a\nb", "é", "a\x00b", "\x01", "\u2028", "a'b", "{}", "", "\t"]


@pytest.mark.parametrize("text", TEXTS)
async def test_texts_arrive_and_return_as_they_are(engine: WorkerEngine, text: str) -> None:
    asked = policy('allow if input.a == input.b\nerror_message := sprintf("<%s>", [input.a])')

    same = await engine.decide(asked, {"a": text, "b": text}, tenant="t")
    other = await engine.decide(asked, {"a": text, "b": text + "x"}, tenant="t")

    assert same.allowed
    shown = "".join(each if each.isprintable() else " " for each in text)
    assert other.reasons == (f"<{shown}>",)


async def test_a_text_equals_the_same_text_in_a_policy(engine: WorkerEngine) -> None:
    asked = policy('allow if { input.a == "x\\"y\\\\z\\n"; input.b == `x"y\\z`; input["k\\""] }')

    verdict = await engine.decide(asked, {"a": 'x"y\\z\n', "b": 'x"y\\z', 'k"': True}, tenant="t")

    assert verdict.allowed


@pytest.mark.parametrize(
    ("rules", "reasons"),
    [
        ('error_message := "why"', ("why",)),
        ('error_message := {"b", "a"}', ("a", "b")),
        ('error_message contains "why" if true', ("why",)),
        ('error_message := ""', ("no reason given",)),
        ("error_message := 3", ("3",)),
        ("other := 1", ("allow is false",)),
        ("error_message := 1 if input\nerror_message := 2 if input", ("allow is false",)),
    ],
)
async def test_reasons(engine: WorkerEngine, rules: str, reasons: tuple[str, ...]) -> None:
    verdict = await engine.decide(policy(f"allow := false\n{rules}"), {}, tenant="t")

    assert verdict.failure is None
    assert verdict.reasons == reasons


async def test_reasons_are_bounded(engine: WorkerEngine) -> None:
    many = policy(
        'allow := false\nerror_message contains sprintf("%d %s", [n, input.s]) if {\n'
        "some n in input.ns\n}"
    )

    verdict = await engine.decide(many, {"ns": list(range(50)), "s": "x" * 999}, tenant="t")

    assert len(verdict.reasons) == 16
    assert max(map(len, verdict.reasons)) == 256


@pytest.mark.parametrize(
    ("rules", "allowed", "failure"),
    [
        ("allow := true", True, None),
        ('allow := true\ndeny contains "no" if input.n == 1', False, None),
        ('allow := true\ndeny contains "no" if input.n == 2', True, None),
        ('allow := true\ndeny contains "" if true', False, None),
        ("allow := true\ndeny contains 3 if true", False, None),
        ("allow := true\ndeny contains false if true", False, None),
        ("allow := true\ndeny := false", True, None),
        ("allow := true\ndeny := true", False, None),
        ("allow := false", False, None),
        ("allow := true\ndeny contains 1 if not deny", False, Failure.ERROR),
        ("allow := true\ndeny := 1 if input\ndeny := 2 if input", False, Failure.ERROR),
    ],
)
async def test_any_reason_of_a_denying_policy_denies(
    engine: WorkerEngine, rules: str, *, allowed: bool, failure: Failure | None
) -> None:
    verdict = await engine.decide(policy(rules, is_deny=True), {"n": 1}, tenant="t")

    assert (verdict.allowed, verdict.failure) == (allowed, failure)


async def test_deny_in_old_brackets_denies(engine: WorkerEngine) -> None:
    module = f'package {PACKAGE}\n\nallow := true\n\ndeny[reason] {{ reason := "no" }}\n'
    old = Policy(name="x", package=PACKAGE, module=module, reasons="deny", is_deny=True)

    verdict = await engine.decide(old, {}, tenant="t")

    assert not verdict.allowed


async def test_a_library_is_found(engine: WorkerEngine) -> None:
    library = "package lib.sums\n\nimport rego.v1\n\ntwice(x) := x * 2\n"
    module = (
        f"package {PACKAGE}\n\nimport rego.v1\nimport data.lib.sums\n\n"
        "allow if sums.twice(input.n) == 4\n"
    )
    asked = Policy(name="x", package=PACKAGE, module=module, libraries=(library,))

    verdicts = [await engine.decide(asked, {"n": n}, tenant="t") for n in (2, 3)]

    assert [verdict.allowed for verdict in verdicts] == [True, False]


async def test_defects_say_what_is_wrong(engine: WorkerEngine) -> None:
    assert await engine.defects(policy("allow := true")) == ()
    assert await engine.defects(policy("allow := := true")) != ()
    assert await engine.defects(policy("other := true")) == ("there is no rule allow",)


async def test_as_many_as_come_are_answered(engine: WorkerEngine) -> None:
    asked = [policy(f"allow if input.n == {n}") for n in range(40)]

    verdicts = await asyncio.gather(
        *(engine.decide(each, {"n": n}, tenant=f"t{n}") for n, each in enumerate(asked))
    )

    assert all(verdict.allowed for verdict in verdicts)
