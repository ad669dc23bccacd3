"""Rego itself understands what the quantities of an input are spelled like."""

from collections.abc import AsyncIterator
from fractions import Fraction
from typing import Any

import pytest

from shared.clock import SystemClock
from shared.effects.quantities import parsed
from shared.policy.engine import WorkerEngine
from shared.policy.inputs.quantities import cpu_text, memory_text
from shared.policy.naming import Stage
from shared.policy.port import Failure
from shared.policy.shipped import defaults
from tests.support.rego import policy


@pytest.fixture
async def engine() -> AsyncIterator[WorkerEngine]:
    """What evaluates policies for the services."""
    async with WorkerEngine(clock=SystemClock()) as running:
        yield running


async def holds(engine: WorkerEngine, condition: str, given: dict[str, Any]) -> bool:
    verdict = await engine.decide(policy(f"allow if {condition}"), given, tenant="test")
    assert verdict.failure is None, verdict
    return verdict.allowed


@pytest.mark.parametrize("quantity", ["0", "32", "1500m", "7n", "0.1", "96"])
async def test_units_reads_cpu(engine: WorkerEngine, quantity: str) -> None:
    text = cpu_text(parsed(quantity), up=True)
    given = {"quantity": text, "means": float(parsed(text))}

    assert await holds(engine, "units.parse(input.quantity) == input.means", given)


@pytest.mark.parametrize("function", ["units.parse", "units.parse_bytes"])
@pytest.mark.parametrize("quantity", ["0", "1", "65865096Ki", "256Gi", "4G", "12e6", "2Ti"])
async def test_units_reads_memory(engine: WorkerEngine, function: str, quantity: str) -> None:
    text, means = memory_text(parsed(quantity)), int(parsed(quantity))
    equals = f"{function}(input.quantity) == input.means"

    assert await holds(engine, equals, {"quantity": text, "means": means})
    assert not await holds(engine, equals, {"quantity": text, "means": means + 1})


async def test_a_single_byte_makes_a_difference(engine: WorkerEngine) -> None:
    node = parsed("65865096Ki")
    pair = {"need": memory_text(node + Fraction(1)), "room": memory_text(node)}

    assert await holds(
        engine, "units.parse_bytes(input.need) > units.parse_bytes(input.room)", pair
    )


async def test_a_unit_that_nobody_knows_is_no_room(engine: WorkerEngine) -> None:
    key = (Stage.PRECONDITION, "scale_deployment", "cluster_capacity_available")
    given = {
        "additional_replicas": 1,
        "available_cpu": "4",
        "required_cpu_per_pod": "1",
        "available_memory": "4Gi",
        "required_memory_per_pod": "1Gi",
    }
    capacity = defaults().conditions[key]

    known = await engine.decide(capacity, given, tenant="test")
    unknown = await engine.decide(capacity, given | {"available_cpu": "lots"}, tenant="test")

    assert known.allowed
    assert (unknown.allowed, unknown.failure) == (False, Failure.ERROR)
    assert unknown.reasons[0].startswith("units.parse")
