"""Kubernetes quantities as exact numbers, and the two spellings that policies get to see.

Whatever an object says (Ki, Mi, G, m, n, exponents), a policy reads CPU as whole millicores
(`"2000m"`) and memory as whole bytes (`"4294967296"`): `units.parse` and
`units.parse_bytes` of Rego understand both.
"""

import math
from fractions import Fraction


def cpu_text(cores: Fraction, *, up: bool = False) -> str:
    """Return cores as millicores such as `2000m`, rounded down, or up where that is safer."""
    return f"{_whole(cores * 1000, up=up)}m"


def memory_text(size: Fraction, *, up: bool = False) -> str:
    """Return a size as plain bytes, rounded down, or up where that is safer."""
    return str(_whole(size, up=up))


def _whole(number: Fraction, *, up: bool) -> int:
    return math.ceil(number) if up else math.floor(number)
