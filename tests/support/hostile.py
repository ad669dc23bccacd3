"""Policies written to do harm, and what has to become of each."""

from typing import Any, Final, NamedTuple

from shared.policy.port import Failure, Policy
from tests.support.rego import policy

_MEMBERS: Final = list(range(3000))


class Hostile(NamedTuple):
    """One policy, what it is asked about, and how it may end."""

    name: str
    policy: Policy
    data: dict[str, Any]
    ends: tuple[Failure | None, ...]


def _nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


def _case(
    name: str, rules: str, *ends: Failure | None, data: dict[str, Any] | None = None
) -> Hostile:
    return Hostile(name, policy(rules), data or {}, ends)


_OFF: Final = {
    "redos": 'allow if regex.match("(a+)+$", input.s)',
    "range": "allow if count(numbers.range(1, 100000000)) > 0",
    "environment": "allow if opa.runtime().env.HOME",
    "network": 'allow if not http.send({"method": "GET", "url": "http://10.0.0.1"})',
    "lookup": 'allow if not net.lookup_ip_addr("example.com")',
    "walk": "allow if walk(input, _)",
    "print": 'allow if print("x")',
    "clock": "allow if time.now_ns() > 0",
    "chance": 'allow if rand.intn("a", 2) == 1',
    "graph": "allow if graph.reachable({}, {}) == set()",
    "decode": 'allow if io.jwt.decode("x")',
    "certificate": 'allow if crypto.x509.parse_certificates("x")',
    "glob": 'allow if glob.match("*", [], "x")',
    "replaced": "allow if { count(input) with count as walk }",
    "replaced by network": "allow if { f(input) with data.lib.f as http.send }",
}
_DEEP: Final = "[" * 30_000 + "]" * 30_000
_JOIN: Final = "x := [1 | some i in input.a; some j in input.a; i + j < 0]"
_DOUBLED: Final = "\n".join(f"s{n + 1} := concat(s{n}, [s{n}, s{n}, s{n}])" for n in range(12))

HOSTILE: Final = (
    *(_case(name, rules, Failure.REFUSED) for name, rules in _OFF.items()),
    _case("deep module", f"allow := {_DEEP}", Failure.REFUSED),
    _case("syntax", "allow if if", Failure.ERROR),
    _case("join", f"allow if {{ {_JOIN}; count(x) == 0 }}", Failure.TIMEOUT, data={"a": _MEMBERS}),
    _case(
        "memory",
        f's0 := input.s\n{_DOUBLED}\nallow if s12 == "a"',
        *(Failure.MEMORY, Failure.TIMEOUT, Failure.CRASH),
        data={"s": "x" * 40},
    ),
    _case("recursion", "allow if f(1)\nf(x) := f(x)", Failure.ERROR),
    _case("negated recursion", "allow if not allow", Failure.ERROR),
    _case("conflict", "allow := true\nallow := false", Failure.ERROR),
    _case("a word", 'allow := "true"', Failure.NOT_BOOLEAN),
    _case("long sum", "allow if " + "1+" * 30_000 + "1 > 0", *Failure),
    _case("deep input", "allow := true", Failure.INPUT, data=_nested(900)),
)
