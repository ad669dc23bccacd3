"""Makes policies that nobody wrote, and checks what the engine says of them.

The engine never raises, allows only what the interpreter itself finds true, and is still
there after each. `make fuzz` runs as many as one likes; the test suite runs a few hundred.
"""

import argparse
import asyncio
import random  # noqa: TID251 - seeded, so that a run can be repeated
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from regopy import Interpreter
from regopy.rego_shared import RegoError

from shared.clock import SystemClock
from shared.policy.engine import WorkerEngine
from shared.policy.port import Policy, Verdict
from tests.support.hostile import HOSTILE
from tests.support.rego import PACKAGE, policy

_AT_ONCE: Final = 8
_NAMES: Final = ("a", "b", "c", "pods", "name")
_TEXTS: Final = ("", "x", 'q"', "b\\", "é", "web-0")
_CALLS: Final = ("count({})", "sum([{}])", "is_string({})", "upper({})", "to_number({})")
_OFF: Final = ("http.send({})", "walk({}, x)", "opa.runtime({})", "regex.match({}, {})", "f({})")
_SIGNS: Final = (" ", "(", ")", "[", "]", "{", "}", '"', "`", "\n", ".", ":=", "#", ";", "é", "\\")


class Case(NamedTuple):
    """A policy, what it is asked about, and whether the interpreter may be asked as well."""

    policy: Policy
    data: dict[str, Any]
    tame: bool


def case(chance: random.Random) -> Case:
    """Return one more policy: mostly proper, some damaged, a few with functions that are off."""
    data = {name: _value(chance, 2) for name in _NAMES if chance.random() < 0.8}
    style = chance.random()
    rules = "\n".join(_rule(chance, off=style > 0.85) for _ in range(chance.randint(1, 4)))
    made = policy(f"{rules}\nerror_message := {_term(chance)}", is_deny=chance.random() < 0.2)
    if style < 0.6:
        return Case(made, data, tame=True)
    return Case(_damaged(chance, made), data, tame=False)


def _rule(chance: random.Random, *, off: bool) -> str:
    head = chance.choice(("allow", "allow", "allow", "deny contains 1", "other", "allow := false"))
    body = "; ".join(_condition(chance, off=off) for _ in range(chance.randint(1, 3)))
    return f"{head} if {{ {body} }}"


def _condition(chance: random.Random, *, off: bool) -> str:
    if off and chance.random() < 0.4:
        return chance.choice(_OFF).replace("{}", _term(chance))
    left, right = _term(chance), _term(chance)
    sign = chance.choice(("==", "!=", "<", ">="))
    text = chance.choice((f"{left} {sign} {right}", left, f"some i in {left}; i {sign} {right}"))
    return f"not {left}" if chance.random() < 0.2 else text


def _term(chance: random.Random) -> str:
    pick = chance.random()
    if pick < 0.45:
        return "input." + ".".join(chance.choices(_NAMES, k=chance.randint(1, 2)))
    if pick < 0.6:
        return chance.choice(_CALLS).format("input." + chance.choice(_NAMES))
    return chance.choice(("true", "false", "null", "0", "1", "2.5", '"x"', '"q\\""', "[1]", "{1}"))


def _value(chance: random.Random, depth: int) -> Any:
    pick = chance.random()
    if depth and pick < 0.2:
        return [_value(chance, depth - 1) for _ in range(chance.randint(0, 3))]
    if depth and pick < 0.5:
        return {name: _value(chance, depth - 1) for name in chance.sample(_NAMES, 2)}
    return chance.choice((True, False, None, 0, 1, -3, 2.5, *_TEXTS))


def _damaged(chance: random.Random, made: Policy) -> Policy:
    text = list(made.module)
    begin = text.index("\n")
    for _ in range(chance.randint(0, 4)):
        at = chance.randrange(begin, len(text))
        text[at : at + chance.randint(0, 3)] = chance.choice(_SIGNS) * chance.choice((1, 1, 1, 300))
    return Policy(name="damaged", package=PACKAGE, module="".join(text), is_deny=made.is_deny)


def allowed_by_itself(made: Policy, data: dict[str, Any]) -> bool:
    """Return whether an interpreter of our own finds the rule true, and no reason to deny."""
    interpreter = Interpreter()
    interpreter.strict_built_in_errors = True
    try:
        interpreter.add_module("m", made.module)
        interpreter.set_input(_written(data))
        true = _said(interpreter, f"data.{made.package}.{made.rule}") == "true"
        if not (true and made.is_deny):
            return true
        reasons = _said(interpreter, f"count(data.{made.package}.{made.reasons}) > 0")
    except RegoError:
        return False
    return reasons == "undefined"


def _said(interpreter: Interpreter, query: str) -> str:
    try:
        output = interpreter.query(query)
    except ValueError:
        return "error"
    if not output.ok():
        return "error"
    values = output.results[0].expressions
    return "true" if values and values[0] is True else "undefined"


def _written(value: Any) -> Any:
    """Return an input with texts escaped, as the interpreter keeps those of a policy."""
    match value:
        case str():
            return value.replace("\\", "\\\\").replace('"', '\\"')
        case list():
            return [_written(each) for each in value]
        case dict():
            return {key: _written(each) for key, each in value.items()}
        case _:
            return value


async def checked(engine: WorkerEngine, one: Case) -> Verdict:
    """Return the verdict on a case.

    Raises:
        AssertionError: it is not what it has to be.
    """
    verdict = await engine.decide(one.policy, one.data, tenant="fuzz")
    assert verdict.allowed or all(verdict.reasons), one
    assert verdict.reasons or verdict.allowed, one
    assert not (verdict.allowed and verdict.failure), one
    if one.tame and verdict.failure is None:
        assert verdict.allowed == allowed_by_itself(one.policy, one.data), one
    return verdict


async def run(count: int, seed: int) -> Counter[str]:
    """Check many cases, with a hostile policy now and then; return how often each end came.

    Raises:
        AssertionError: on the first case with a wrong verdict.
    """
    chance = random.Random(seed)  # noqa: S311 - nothing is kept secret by it
    ends: Counter[str] = Counter()
    async with WorkerEngine(clock=SystemClock(), wait_s=60) as engine:
        for begin in range(0, count, _AT_ONCE):
            cases = [case(chance) for _ in range(min(_AT_ONCE, count - begin))]
            if begin % 1000 == 0:
                hostile = chance.choice(HOSTILE)
                cases[0] = Case(hostile.policy, hostile.data, tame=False)
            for verdict in await asyncio.gather(*(checked(engine, each) for each in cases)):
                ends[str(verdict.failure or ("allowed" if verdict.allowed else "denied"))] += 1
        last = await engine.decide(policy("allow := true"), {}, tenant="fuzz")
        assert last.allowed
    return ends


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
