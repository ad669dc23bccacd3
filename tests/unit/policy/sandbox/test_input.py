"""Which inputs are given to a policy."""

from typing import Any

import pytest

from shared.policy.sandbox_input import BadInputError, encoded


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"a": [1, 2.5, None, True, "é"]},
        {"a": 2**63 - 1},
        {"a": "x" * 262_000},
        {"a": list(range(40_000))},
        nested(100),
    ],
)
def test_plain_values_are_fine(data: dict[str, Any]) -> None:
    assert encoded(data)


@pytest.mark.parametrize(
    "data",
    [
        {"a": 2**63},
        {"a": -(2**64)},
        {"a": float("nan")},
        {"a": [float("inf")]},
        {"a": {1: 2}},
        {"a": {"b"}},
        {"a": object()},
        {"a": b"b"},
        {"a": "\ud800"},
        {"\ud800": "a"},
        {"a": "x" * 262_144},
        {"a": list(range(50_001))},
        nested(101),
        nested(900),
        nested(100_000),
    ],
    ids=range(15),
)
def test_anything_else_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(BadInputError):
        encoded(data)


def test_a_value_that_holds_itself_is_refused() -> None:
    data: dict[str, Any] = {}
    data["a"] = data

    with pytest.raises(BadInputError):
        encoded(data)
