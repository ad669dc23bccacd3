"""Laws of the parts of shared.kube that need no server: patches, limits, leases."""

import asyncio
from dataclasses import dataclass
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from shared.api.enums import StepPhase
from shared.api.meta import Condition
from shared.api.workflow_status import StepStatus, Token, WorkflowStatus
from shared.kube.apply import merge_patch, to_json
from shared.kube.lease import LeaseObserver
from shared.kube.ratelimit import RateLimiter
from tests.support.builders import NOW
from tests.support.virtual_time import run, virtual_clock

NAMES = st.sampled_from(["a", "b", "c", "d"])
TEXTS = st.text(max_size=5)


def _unique(items: list[Any], key: str) -> list[Any]:
    return list({getattr(item, key): item for item in items}.values())


STEPS = st.lists(
    st.builds(
        StepStatus,
        name=NAMES,
        phase=st.sampled_from(StepPhase),
        attempts=st.integers(0, 3),
        message=TEXTS,
        start_time=st.sampled_from([None, NOW]),
    )
).map(lambda steps: _unique(steps, "name"))
CONDITIONS = st.lists(
    st.builds(
        Condition,
        type=NAMES,
        status=st.sampled_from(["True", "False"]),
        reason=TEXTS,
        message=TEXTS,
        last_transition_time=st.just(NOW),
    )
).map(lambda conditions: _unique(conditions, "type"))
TOKENS = st.dictionaries(
    NAMES,
    st.builds(Token, attempt=st.integers(1, 3), fence=st.integers(1, 9), granted_at=st.just(NOW)),
)
STATUSES = st.builds(
    WorkflowStatus,
    message=TEXTS,
    start_time=st.sampled_from([None, NOW]),
    steps=STEPS,
    conditions=CONDITIONS,
    tokens=TOKENS,
    progress=st.integers(0, 100),
)


def apply_patch(target: Any, patch: Any) -> Any:
    """Apply a merge patch exactly as RFC 7396 writes it down."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = apply_patch(result.get(name), value)
    return result


def decoded(raw: Any) -> WorkflowStatus:
    return msgspec.convert(raw, WorkflowStatus)


@given(STATUSES, STATUSES)
def test_a_patch_turns_before_into_after(before: WorkflowStatus, after: WorkflowStatus) -> None:
    raw = to_json(before)

    assert decoded(apply_patch(raw, merge_patch(raw, before, after))) == after


@given(STATUSES, STATUSES)
def test_there_is_no_patch_exactly_when_nothing_changes(
    before: WorkflowStatus, after: WorkflowStatus
) -> None:
    assert (merge_patch(to_json(before), before, after) == {}) == (before == after)


@given(STATUSES, STATUSES)
def test_fields_of_a_newer_version_survive(before: WorkflowStatus, after: WorkflowStatus) -> None:
    raw = to_json(before)
    raw["newer"] = {"kept": [1, 2]}
    for item in (
        *raw.get("steps", []),
        *raw.get("conditions", []),
        *raw.get("tokens", {}).values(),
    ):
        item["newer"] = "kept"

    patched = apply_patch(raw, merge_patch(raw, before, after))

    assert decoded(patched) == after
    assert patched["newer"] == {"kept": [1, 2]}
    for kind in ("steps", "conditions"):
        known = {item.get("name", item.get("type")) for item in raw.get(kind, [])}
        for item in patched.get(kind, []):
            name = item.get("name", item.get("type"))
            assert (item.get("newer") == "kept") == (name in known)
    for name, token in patched.get("tokens", {}).items():
        assert (token.get("newer") == "kept") == (name in raw.get("tokens", {}))


@given(STATUSES)
def test_what_is_written_reads_back_as_it_was(status: WorkflowStatus) -> None:
    assert decoded(to_json(status)) == status


@dataclass(frozen=True)
class Caller:
    """Somebody who comes after a pause, and may lose patience."""

    pause: float
    patience: float | None


CALLERS = st.lists(
    st.builds(
        Caller,
        pause=st.sampled_from([0.0, 0.0, 0.0, 0.013, 0.4, 3.0]),
        patience=st.sampled_from([None, None, 0.0, 0.05, 0.7]),
    ),
    max_size=60,
)
RATES = st.sampled_from([0.7, 3.0, 20.0, 1000.0])
BURSTS = st.integers(1, 8)


async def _served(callers: list[Caller], *, qps: float, burst: int) -> tuple[list[float], float]:
    """Return when requests were let through, and how long those waited in all."""
    clock = virtual_clock()
    waits: list[float] = []
    limiter = RateLimiter(qps=qps, burst=burst, clock=clock, on_wait=waits.append)
    passed: list[float] = []

    async def call(patience: float | None) -> None:
        try:
            async with asyncio.timeout(patience):
                await limiter.wait()
        except TimeoutError:
            return
        passed.append(clock.monotonic())

    async with asyncio.TaskGroup() as tasks:
        for caller in callers:
            await asyncio.sleep(caller.pause)
            tasks.create_task(call(caller.patience))
    return passed, sum(waits)


@given(CALLERS, RATES, BURSTS)
def test_no_window_lets_more_through_than_burst_and_rate_allow(
    callers: list[Caller], qps: float, burst: int
) -> None:
    passed, _ = run(_served(callers, qps=qps, burst=burst))

    for first, began in enumerate(passed):
        for last, ended in enumerate(passed[first:], start=first):
            assert last - first + 1 <= burst + qps * (ended - began) + 1e-6


@given(st.integers(1, 20), st.integers(1, 20), RATES, BURSTS)
def test_those_who_gave_up_cost_the_others_nothing(
    waiting: int, leaving: int, qps: float, burst: int
) -> None:
    first = [Caller(pause=0.0, patience=None)] * burst
    given_up = [Caller(pause=0.0, patience=0.5 / qps)] * leaving
    patient = [Caller(pause=0.0, patience=None)] * waiting

    alone, _ = run(_served([*first, *patient], qps=qps, burst=burst))
    after, _ = run(_served([*first, *given_up, *patient], qps=qps, burst=burst))

    assert len(after) == len(alone)
    assert all(abs(one - other) < 1e-6 for one, other in zip(alone, after, strict=True))


@given(st.integers(1, 40), RATES, BURSTS)
def test_waits_are_reported(count: int, qps: float, burst: int) -> None:
    callers = [Caller(pause=0.0, patience=None)] * count

    passed, waited = run(_served(callers, qps=qps, burst=burst))

    assert abs(waited - sum(passed)) < 1e-6
    assert abs(waited - sum(max(0, n - burst + 1) / qps for n in range(count))) < 1e-6


@given(CALLERS)
def test_without_a_limit_nobody_waits(callers: list[Caller]) -> None:
    passed, waited = run(_served(callers, qps=0, burst=1))

    assert len(passed) == len(callers)
    assert waited == 0


RENEWALS = st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=30)


@given(RENEWALS)
def test_a_holder_is_gone_exactly_when_its_renewal_stood_still(
    looks: list[tuple[float, bool]],
) -> None:
    async def observed() -> None:
        clock = virtual_clock()
        observer = LeaseObserver(clock=clock, duration_s=4)
        renewed, at = 0, clock.monotonic()
        observer.observe({"x": "0"})
        for pause, renew in looks:
            await asyncio.sleep(pause)
            if renew:
                renewed, at = renewed + 1, clock.monotonic()
            observer.observe({"x": str(renewed)})
            assert observer.is_gone("x") == (clock.monotonic() - at > 4)
        observer.observe({})
        assert observer.is_gone("x")

    run(observed())
