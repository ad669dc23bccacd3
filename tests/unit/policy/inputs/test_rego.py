"""Rego itself understands what the quantities of an input are spelled like."""

import json
from fractions import Fraction

import pytest
import regopy

from shared.policy.inputs.quantities import cpu_text, memory_text, parsed


def value(expression: str, given: object) -> object:
    interpreter = regopy.Interpreter()
    interpreter.set_input(given)
    told = json.loads(str(interpreter.query(f"x = {expression}")))
    return told["bindings"]["x"]


@pytest.mark.parametrize("quantity", ["0", "32", "1500m", "7n", "0.1", "96"])
def test_units_reads_cpu(quantity: str) -> None:
    text = cpu_text(parsed(quantity), up=True)

    assert value("units.parse(input)", text) == float(parsed(text))


@pytest.mark.parametrize("function", ["units.parse", "units.parse_bytes"])
@pytest.mark.parametrize("quantity", ["0", "1", "65865096Ki", "256Gi", "4G", "12e6", "2Ti"])
def test_units_reads_memory(function: str, quantity: str) -> None:
    assert value(f"{function}(input)", memory_text(parsed(quantity))) == parsed(quantity)


def test_a_single_byte_makes_a_difference() -> None:
    node = parsed("65865096Ki")
    pair = {"need": memory_text(node + Fraction(1)), "room": memory_text(node)}

    assert value("units.parse_bytes(input.need) > units.parse_bytes(input.room)", pair) is True
