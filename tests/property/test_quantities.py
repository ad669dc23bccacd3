"""Quantities: every spelling of a number means that number."""

from fractions import Fraction
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from shared.effects.quantities import parsed
from shared.policy.inputs.quantities import cpu_text, memory_text

FACTORS: Final = {
    "": Fraction(1),
    **{
        s: Fraction(10) ** p
        for s, p in zip("numkMGTPE", (-9, -6, -3, 3, 6, 9, 12, 15, 18), strict=True)
    },
    **{f"{s}i": Fraction(2) ** (10 * p) for p, s in enumerate("KMGTPE", start=1)},
    **{f"e{p}": Fraction(10) ** p for p in range(-20, 21)},
    **{f"E{p}": Fraction(10) ** p for p in range(-20, 21)},
}
NUMBERS: Final = st.decimals(
    min_value=-(10**12), max_value=10**12, places=6, allow_nan=False, allow_infinity=False
)


@given(number=NUMBERS, suffix=st.sampled_from(sorted(FACTORS)))
def test_a_suffix_multiplies(number: object, suffix: str) -> None:
    text = f"{number:f}"

    assert parsed(text + suffix) == Fraction(text) * FACTORS[suffix]


@given(st.fractions(min_value=0, max_value=10**15))
def test_what_policies_see_is_off_by_less_than_one_unit(amount: Fraction) -> None:
    assert parsed(memory_text(amount)) <= amount <= parsed(memory_text(amount, up=True))
    assert parsed(memory_text(amount, up=True)) - parsed(memory_text(amount)) <= 1
    assert parsed(cpu_text(amount)) <= amount <= parsed(cpu_text(amount, up=True))
    assert parsed(cpu_text(amount, up=True)) - parsed(cpu_text(amount)) <= Fraction(1, 1000)


@given(st.integers(min_value=0, max_value=10**9))
def test_whole_amounts_come_back_unchanged(amount: int) -> None:
    assert parsed(cpu_text(Fraction(amount, 1000))) == Fraction(amount, 1000)
    assert parsed(memory_text(Fraction(amount))) == amount
