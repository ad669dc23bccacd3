"""Keeping looks of policies: what is kept, what is left out, and that nobody waits for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from shared.bus.jetstream import JetStreamBus
from shared.clock import SystemClock
from shared.contracts.subjects import Service
from shared.errors import MendflowError, PermanentError, TransientError
from shared.policy.port import Failure, Verdict
from shared.settings import Settings
from shared.telemetry.policies import PolicyMetrics
from shared.telemetry.redaction import REDACTED
from shared.worker.recording import (
    LARGEST_TRIED,
    MOST_BYTES,
    MOST_WAITING,
    LookRecorder,
    verdict_on,
)
from shared.worker.running import Process
from tests.support.builders import make_workflow, scale_step
from tests.support.recording import NOISE, KeepingBus, verdict

CANARY = "canary-7f3a"
YES = verdict("safety_x.rego", allowed=True)
NO = verdict("safety_x.rego", "not today")


class Recording:
    """A recorder, and what it depends on."""

    def __init__(self) -> None:
        self.bus = KeepingBus()
        self.registry = CollectorRegistry()
        self.recorder = LookRecorder(
            self.bus,
            clock=SystemClock(),
            service=Service.ORCHESTRATOR,
            identity="t",
            metrics=PolicyMetrics(self.registry),
        )
        self.workflow = make_workflow([scale_step("a")])

    def note(self, data: dict[str, Any], *verdicts: Any, step: str = "a") -> None:
        self.recorder.note(
            self.workflow,
            step,
            action="scale_deployment",
            stage="safety",
            revision="r1",
            data=data,
            verdicts=verdicts or (YES,),
        )

    def counted(self, result: str) -> float | None:
        return self.registry.get_sample_value("mendflow_policy_inputs_total", {"result": result})

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.recorder.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.fixture
async def recording() -> Recording:
    return Recording()


async def test_a_look_is_kept_with_its_input_and_all_that_was_said(recording: Recording) -> None:
    async with recording.running():
        recording.note({"n": 1}, YES, NO)
        (look,) = await recording.bus.kept(1)

    meta = recording.workflow.metadata
    assert recording.bus.subjects == [f"wf.pol.{meta.uid}.a.safety"]
    assert (look.namespace, look.workflow, look.uid) == (meta.namespace, meta.name, meta.uid)
    assert (look.action, look.stage, look.revision) == ("scale_deployment", "safety", "r1")
    assert (look.input, look.verdicts) == ({"n": 1}, (YES, NO))


async def test_a_look_that_repeats_the_last_one_of_its_step_is_not_kept_again(
    recording: Recording,
) -> None:
    async with recording.running():
        for data, said, step in (
            ({"n": 1, "now": "1"}, YES, "a"),
            ({"n": 1, "now": "2"}, YES, "a"),  # only the time is another
            ({"n": 1, "now": "3"}, YES, "b"),
            ({"n": 1, "now": "4"}, NO, "a"),
            ({"n": 2, "now": "4"}, NO, "a"),
            ({"n": 1, "now": "5"}, YES, "a"),
        ):
            recording.note(data, said, step=step)
        looks = await recording.bus.kept(5)

    assert [each.input["now"] for each in looks if each.input] == ["1", "3", "4", "4", "5"]
    assert recording.counted("repeated") == 1


async def test_with_the_bus_away_nothing_is_kept(recording: Recording) -> None:
    recording.bus.connected = False
    recording.note({"n": 1})
    recording.bus.connected = True
    async with recording.running():
        recording.note({"n": 1})
        await recording.bus.kept(1)

    assert (recording.counted("away"), len(recording.bus.bodies)) == (1, 1)


@pytest.mark.parametrize("error", [TransientError("BusUnavailable"), PermanentError("TooLarge")])
async def test_what_does_not_get_through_is_counted_and_kept_with_the_next_look(
    recording: Recording, error: MendflowError
) -> None:
    recording.bus.error = error
    async with recording.running():
        recording.note({"n": 1})
        await recording.bus.refused.wait()
        recording.bus.error = None
        recording.note({"n": 1})
        await recording.bus.kept(1)

    assert recording.counted("failed") == 1


async def test_when_too_many_wait_the_rest_is_dropped_and_nobody_waits(
    recording: Recording,
) -> None:
    recording.bus.may_publish.clear()
    for number in range(MOST_WAITING + 7):
        recording.note({"n": number})

    assert recording.counted("dropped") == 7


async def test_what_waits_is_bounded_in_bytes_too(recording: Recording) -> None:
    large = 1024 * 1024
    for number in range(12):
        recording.note({"n": number, "text": "x" * large})

    assert recording.counted("dropped") == 12 - MOST_BYTES // (large + 20)


async def test_after_what_waited_is_kept_there_is_room_again(recording: Recording) -> None:
    for number in range(12):
        recording.note({"n": number, "text": "x" * 1024 * 1024})
    before = recording.counted("dropped")
    async with recording.running():
        await recording.bus.kept(7)
        for number in (100, 101):
            recording.note({"n": number, "text": "x" * 1024 * 1024})
        await recording.bus.kept(9)

    assert recording.counted("dropped") == before


async def test_a_large_input_is_packed_and_every_message_is_one_that_the_server_takes(
    recording: Recording,
) -> None:
    pods = [{"name": f"web-{n}", "status": "Running"} for n in range(1000)]
    async with recording.running():
        recording.note({"pods": pods})
        recording.note({"noise": NOISE})
        recording.note({"noise": "x" * LARGEST_TRIED})
        packed, *left_out = await recording.bus.kept(3)

    assert max(recording.bus.sizes) <= 8192
    assert packed.input == {"pods": pods}
    assert [each.input for each in left_out] == [None, None]
    assert (recording.counted("kept"), recording.counted("without_input")) == (1, 2)


async def test_no_secret_leaves_with_an_input_or_with_a_reason(recording: Recording) -> None:
    data = {
        "parameters": {"name": "db", "data": {"k": CANARY}, "stringData": {"k": f"{CANARY}2"}},
        "target_resource": {"annotations": {"password": f"{CANARY}3"}},
    }
    told = verdict("safety_x.rego", f"the value {CANARY} of k is refused")
    large = data | {"noise": "x" * LARGEST_TRIED}
    async with recording.running():
        recording.note(data, told)
        recording.note(large, told)
        looks = await recording.bus.kept(2)

    assert all(CANARY.encode() not in body for body in recording.bus.bodies)
    assert looks[0].masked == 3
    assert looks[0].verdicts[0].reasons == (f"the value {REDACTED} of k is refused",)
    assert looks[1].verdicts[0].reasons == ()


async def test_what_cannot_be_written_down_fails_nobody(recording: Recording) -> None:
    recording.note({"odd": {1, 2}, "n": object()})

    assert recording.counted("failed") == 1


@pytest.mark.parametrize(
    ("rego", "reference", "is_inline"),
    [
        (None, "", False),
        ("", "", False),
        (" deployment_exists.rego ", "deployment_exists.rego", False),
        ("configmap:key.rego:rule", "configmap:key.rego:rule", False),
        ("package precondition.mine\nallow := true", "", True),
        ("allow if input.x", "", True),
        (f"secret:{'x' * 200}", "", True),
    ],
)
def test_the_text_of_a_policy_is_never_recorded(
    rego: str | None, reference: str, is_inline: bool
) -> None:
    said = Verdict(allowed=False, reasons=("a", "b", "c"), failure=Failure.TIMEOUT)

    found = verdict_on("mine", said, rego=rego)

    assert (found.reference, found.is_inline) == (reference, is_inline)
    assert (found.reasons, found.failure) == (("a", "b"), "PolicyTimeout")


@pytest.mark.parametrize(
    ("service", "wanted", "records"),
    [
        (Service.ORCHESTRATOR, True, True),
        (Service.MONITOR, True, True),
        (Service.ROLLBACK, True, True),
        (Service.PLANNER, True, False),
        (Service.EXECUTOR, True, False),
        (Service.MONITOR, False, False),
    ],
)
async def test_only_services_that_ask_policies_record_and_only_if_that_is_wanted(
    service: Service, wanted: bool, records: bool
) -> None:
    process = Process(Settings(record_policy_inputs=wanted))
    bus = JetStreamBus("nats://nowhere", name="t", service=service, clock=SystemClock())

    assert (process._recorder(service, bus) is not None) is records
