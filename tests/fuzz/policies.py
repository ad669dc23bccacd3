"""Makes policies that nobody wrote, and checks what the engine says of them.

The engine never raises, allows only what the interpreter itself finds true, and is still
there after each. `make fuzz` runs as many as one likes; the test suite runs a few hundred.
"""

import argparse
import asyncio
import random  # noqa: TID251 - seeded, so that a run can be repeated
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final, NamedTuple

from regopy import Interpreter
from regopy.rego_shared import RegoError

from shared.clock import SystemClock
from shared.policy.engine import WorkerEngine
from shared.policy.port import Policy, Verdict
from tests.support.hostile import HOSTILE
from tests.support.rego import PACKAGE, policy

_AT_ONCE: Final = 4
_ENGINES: Final = 2
"""Each has one worker for policies that are new, which all are here."""
_NAMES: Final = ("a", "b", "c", "pods", "name")
_TEXTS: Final = ("", "x", 'q"', "b\\", "é", "web-0")
_CALLS: Final = (
    *("count({})", "sum([{}])", "is_string({})", "upper({})", "to_number({})", "max([{}, 1])"),
    *("units.parse_bytes({})", 'sprintf("%v", [{}])', 'split({}, "-")', "object.keys({})"),
    *("array.concat([{}], [1])", "json.marshal({})", "sort([{}, 2])", 'object.get({}, "a", 0)'),
)
_OFF: Final = (
    *("http.send({})", "walk({}, x)", "opa.runtime()", "regex.match({}, {})", "f({})"),
    *("net.lookup_ip_addr({})", 'glob.match("*", [], {})', "numbers.range(1, {})", "print({})"),
    *("opa.runtime().env", "{} == {} with http.send as count", "time.now_ns() > 0"),
    *('http["send"]({})', "data.http.send({})", "count({}) with count as walk", "rand.intn({}, 2)"),
)
_HEADS: Final = (
    *("allow", "allow", "allow", "allow", "allow := true", "allow := false", "allow := input.a"),
    *("deny contains 1", "other", 'allow := "true"', "default allow := true", "allow[1]"),
    *("allow contains true", "deny contains input.name", "allow := 1", "f(x) := x", "allow.a"),
)
_SIGNS: Final = (
    *(" ", "(", ")", "[", "]", "{", "}", '"', "`", "\n", ".", ":=", "#", ";", "é", "\\"),
    *(" with ", " as ", " not ", " else ", " every ", " some ", " default ", "\u202e", "\ufeff"),
    *(
        "\r",
        "\x00",
        "\u2028",
        "http.send",
        "import ",
        "package ",
        "9" * 400,
        "1e999",
        "\uff41",
        "\ud800",
    ),
)
_NUMBERS: Final = (2**63 - 1, -(2**63) + 1, 2**53 + 1, 1e308, 5e-324, -0.0, 0.1, 1e22)
_BAD_NUMBERS: Final = (2**63, 10**400, float("nan"), float("inf"))
_UNDEFINED: Final = object()
_UNREADABLE: Final = object()
_WITHIN_S: Final = 30.0
"""No evaluation takes longer, however busy the machine: its time, some patience, a kill."""


class Case(NamedTuple):
    """A policy, what it is asked about, and whether the interpreter may be asked as well."""

    policy: Policy
    data: dict[str, Any]
    tame: bool
    is_fine: bool = True
    """Whether the input is one that a policy may be given."""


def case(chance: random.Random) -> Case:
    """Return one more: mostly proper, some damaged, some with functions that are off, a few huge.

    An input is sometimes one that no policy may see, which must not allow either.
    """
    style = chance.random()
    data = {name: _value(chance, 3) for name in _NAMES if chance.random() < 0.8}
    is_fine = style < 0.55 or chance.random() < 0.9
    if not is_fine:
        data[chance.choice(_NAMES)] = _refused(chance)
    if style > 0.99:
        return Case(_bomb(chance), data, tame=False, is_fine=is_fine)
    rules = "\n".join(_rule(chance, off=style > 0.85) for _ in range(chance.randint(1, 4)))
    made = policy(f"{rules}\nerror_message := {_term(chance)}", is_deny=chance.random() < 0.2)
    if style < 0.55:
        return Case(made, data, tame=True)
    return Case(_damaged(chance, made), data, tame=False, is_fine=is_fine)


def _rule(chance: random.Random, *, off: bool) -> str:
    head = chance.choice(_HEADS)
    if head.startswith("default"):
        return head
    body = "; ".join(_condition(chance, off=off) for _ in range(chance.randint(1, 3)))
    rule = f"{head} if {{ {body} }}"
    if chance.random() < 0.1 and head.startswith("allow"):
        rule += f" else := {chance.choice(('true', 'false', 'input.b'))} if {_term(chance)} == 1"
    return rule


def _condition(chance: random.Random, *, off: bool) -> str:
    if off and chance.random() < 0.4:
        return chance.choice(("", "not ")) + chance.choice(_OFF).replace("{}", _term(chance))
    left, right = _term(chance), _term(chance)
    sign = chance.choice(("==", "!=", "<", ">=", "in"))
    text = chance.choice(
        (
            *(f"{left} {sign} {right}", f"{left} {sign} {right}", left),
            f"some i in {left}; i {sign} {right}",
            f"some k, v in {left}; k {sign} {right}; v",
            f"every i in [{left}] {{ i {sign} {right} }}",
            f"{left} {sign} {right} with input as {{}}",
            f"count([i | some i in {left}; i {sign} {right}]) == 0",
            f"count({{i: 1 | some i in {left}}}) >= 0",
            f"x := {left}; x {sign} {right}",
        )
    )
    return f"not {left}" if chance.random() < 0.2 else text


def _term(chance: random.Random) -> str:
    pick = chance.random()
    if pick < 0.45:
        return "input." + ".".join(chance.choices(_NAMES, k=chance.randint(1, 2)))
    if pick < 0.65:
        return chance.choice(_CALLS).format("input." + chance.choice(_NAMES))
    if pick < 0.7:
        return f"{_term(chance)} {chance.choice('+-*/%|&')} {_term(chance)}"
    return chance.choice(("true", "false", "null", "0", "1", "2.5", '"x"', '"q\\""', "[1]", "{1}"))


def _bomb(chance: random.Random) -> Policy:
    """Return a policy that takes as much of something as it can."""
    size = chance.choice((50, 199, 201, 3000, 20_000))
    some = "; ".join(f"some i{n} in numbers" for n in range(chance.randint(2, 6)))
    numbers = f"numbers := [{', '.join(map(str, range(min(size, 400))))}]"
    return policy(
        chance.choice(
            (
                f"{numbers}\nallow if count([1 | {some}]) >= 0",
                f"{numbers}\nallow if {{ {some}; i0 < 0 }}",
                f"allow if {'(' * size}true{')' * size}",
                f"allow if {'[' * size}{']' * size} == 1",
                f"allow if {'not ' * size}true",
                f"allow if 1{' + 1' * size} < 0",
                f"allow if input{'.a' * size}",
                f"allow if {{ {'true; ' * size}true }}",
                f"allow if {'9' * size} == 0",
                f'allow if "{"é" * size}" == input.a',
                "\n".join(f"r{n} if r{n + 1}" for n in range(size // 10)) + "\nallow if r0",
                "\n".join(f"allow := {n} if input.a" for n in range(size // 10)),
                'f(x) := concat(x, ["a", x])\nallow if f(f(f(f(f(input.name))))) == "a"',
                "allow if { some a, b in input; some c, d in a; every x in b { x == c } }",
            )
        )
    )


def _value(chance: random.Random, depth: int) -> Any:
    pick = chance.random()
    if depth and pick < 0.2:
        return [_value(chance, depth - 1) for _ in range(chance.randint(0, 3))]
    if depth and pick < 0.5:
        return {name: _value(chance, depth - 1) for name in chance.sample(_NAMES, 2)}
    return chance.choice((True, False, None, 0, 1, -3, 2.5, *_TEXTS, *_NUMBERS))


def _refused(chance: random.Random) -> Any:
    """Return what no input may hold."""
    deep: Any = 1
    for _ in range(chance.choice((101, 900, 5000))):
        deep = [deep] if chance.random() < 0.5 else {"a": deep}
    return chance.choice(
        (*_BAD_NUMBERS, deep, [0] * 60_000, "x" * 300_000, "\ud800", {1: 2}, {"b"}, b"b", object())
    )


def _damaged(chance: random.Random, made: Policy) -> Policy:
    text = list(made.module)
    begin = text.index("\n")
    for _ in range(chance.randint(0, 4)):
        at = chance.randrange(begin, len(text))
        text[at : at + chance.randint(0, 3)] = chance.choice(_SIGNS) * chance.choice((1, 1, 1, 300))
    return Policy(
        name="damaged",
        package=PACKAGE,
        module="".join(text),
        reasons=made.reasons,
        is_deny=made.is_deny,
    )


def allowed_by_itself(made: Policy, data: dict[str, Any]) -> bool:
    """Return whether an interpreter of our own finds the rule true, and no reason to deny."""
    interpreter = Interpreter()
    interpreter.strict_built_in_errors = True
    try:
        interpreter.add_module("m", made.module)
        interpreter.set_input(_written(data))
        if _said(interpreter, f"data.{made.package}.{made.rule}") is not True:
            return False
        reasons = _said(interpreter, f"data.{made.package}.{made.reasons}")
    except RegoError:
        return False
    says_nothing = reasons is _UNDEFINED or reasons is False or reasons in ([], {})
    return says_nothing or not made.is_deny


def _said(interpreter: Interpreter, query: str) -> object:
    """Return the value that a query has, where it has one that can be read."""
    try:
        output = interpreter.query(query)
    except ValueError:
        return _UNREADABLE
    if not output.ok():
        return _UNREADABLE
    values = output.results[0].expressions
    return values[0] if values else _UNDEFINED


def _written(value: Any) -> Any:
    """Return an input with texts escaped, as the interpreter keeps those of a policy."""
    match value:
        case str():
            return value.replace("\\", "\\\\").replace('"', '\\"')
        case list():
            return [_written(each) for each in value]
        case dict():
            return {_written(key): _written(each) for key, each in value.items()}
        case _:
            return value


async def checked(engine: WorkerEngine, one: Case, *, tenant: str) -> Verdict:
    """Return the verdict on a case.

    Raises:
        AssertionError: it is not what it has to be.
    """
    verdict = await engine.decide(one.policy, one.data, tenant=tenant)
    assert verdict.allowed or all(verdict.reasons), one
    assert verdict.reasons or verdict.allowed, one
    assert not (verdict.allowed and verdict.failure), one
    assert not (verdict.allowed and not one.is_fine), one
    assert verdict.seconds < _WITHIN_S, one
    # What allowed in a worker can be asked here as well: it did no harm there.
    if verdict.allowed or (one.tame and verdict.failure is None):
        assert verdict.allowed == allowed_by_itself(one.policy, one.data), one
    return verdict


async def run(count: int, seed: int) -> Counter[str]:
    """Check many cases, with a hostile policy now and then; return how often each end came.

    Raises:
        AssertionError: on the first case with a wrong verdict.
    """
    chance = random.Random(seed)  # noqa: S311 - nothing is kept secret by it
    ends: Counter[str] = Counter()
    cases = enumerate(_cases(chance, count))
    async with AsyncExitStack() as stack:
        engines = [
            await stack.enter_async_context(WorkerEngine(clock=SystemClock(), workers=1, wait_s=60))
            for _ in range(_ENGINES)
        ]

        async def check_all(engine: WorkerEngine) -> None:
            for number, one in cases:
                # Each on behalf of somebody else, or the tenant would soon have to rest.
                verdict = await checked(engine, one, tenant=f"fuzz/{number}")
                ends[str(verdict.failure or ("allowed" if verdict.allowed else "denied"))] += 1

        async with asyncio.TaskGroup() as group:
            for engine in engines * _AT_ONCE:
                group.create_task(check_all(engine))
        for engine in engines:
            last = await engine.decide(policy("allow := true"), {}, tenant="last")
            assert last.allowed
    return ends


def _cases(chance: random.Random, count: int) -> Iterator[Case]:
    for number in range(count):
        if number % 1000 == 0:
            hostile = chance.choice(HOSTILE)
            yield Case(hostile.policy, hostile.data, tame=False)
        else:
            yield case(chance)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as many as were asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.policies", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    ends = asyncio.run(run(options.count, options.seed))
    sys.stdout.write(f"{options.count} policies, seed {options.seed}: {dict(ends)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
