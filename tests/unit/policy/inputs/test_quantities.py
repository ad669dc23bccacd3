"""Quantities are exact, whatever their spelling, and Rego reads what is made of them."""

from fractions import Fraction

import pytest

from shared.effects.quantities import parsed
from shared.errors import PermanentError
from shared.policy.inputs.quantities import cpu_text, memory_text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", 2),
        (2, 2),
        ("0", 0),
        ("+1.5", Fraction(3, 2)),
        (".5", Fraction(1, 2)),
        ("5.", 5),
        ("-1", -1),
        ("100m", Fraction(1, 10)),
        ("250u", Fraction(250, 10**6)),
        ("7n", Fraction(7, 10**9)),
        ("3k", 3000),
        ("64Ki", 65536),
        ("1.5Gi", 3 * 2**29),
        ("256Mi", 2**28),
        ("4G", 4 * 10**9),
        ("2Ti", 2**41),
        ("1Pi", 2**50),
        ("1Ei", 2**60),
        ("1E", 10**18),
        ("1E3", 1000),
        ("12e6", 12 * 10**6),
        ("5e-3", Fraction(1, 200)),
        ("128974848000m", 128974848),
    ],
)
def test_every_spelling_is_read_exactly(text: str | int, value: Fraction | int) -> None:
    assert parsed(text) == value


@pytest.mark.parametrize(
    "text",
    ["", "m", "Gi", "1 Gi", "1gi", "1KI", "0x10", "1e", "1e1000000000", "1_0", "٣", "NaN", "1\n"],
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(PermanentError, match="is not a quantity"):
        parsed(text)


def test_needs_round_up_and_room_rounds_down() -> None:
    assert cpu_text(parsed("1n"), up=True) == "1m"
    assert cpu_text(parsed("1999999999n")) == "1999m"
    assert memory_text(parsed("1500m"), up=True) == "2"
    assert memory_text(parsed("1500m")) == "1"
