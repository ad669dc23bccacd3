"""`mendflow policy backtest` as people call it, on a real stream and with real workers."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from nats.aio.client import Client
from prometheus_client import CollectorRegistry

from cli.mendflow import main
from shared.api.workflow_spec import Step, StepCondition
from shared.bus import streams
from shared.bus.embedded import EmbeddedServer
from shared.bus.jetstream import JetStreamBus
from shared.clock import SystemClock
from shared.contracts.recorded import RecordedLook, encode
from shared.contracts.subjects import Service, looked
from shared.ids import StepName
from shared.policy.engine import WorkerEngine
from shared.policy.library import LivePolicies
from shared.policy.shipped import defaults
from shared.telemetry.policies import PolicyMetrics, Recorded
from shared.worker.checking import PolicyChecker
from shared.worker.recording import LookRecorder
from tests.support.builders import make_workflow, scale_step
from tests.support.recording import recorded_look, verdict

MINE = "package safety.mine\n\nimport rego.v1\n\ndefault allow := false\n\nallow if input.n < {}\n"
EXISTS = "package precondition.scale_deployment.deployment_exists\n\nimport rego.v1\n\n"
LIBRARY = "package lib.actions\n\nimport rego.v1\n\n"


@pytest.fixture
def server(tmp_path: Path) -> Any:
    with EmbeddedServer(tmp_path / "nats") as running:
        yield running


Backtest = Callable[..., int]


@pytest.fixture
def backtest(server: EmbeddedServer, tmp_path: Path) -> Backtest:
    """Run a backtest of one policy; return the exit code."""

    def run(key: str, text: str, *words: str, against: str = "stream") -> int:
        path = tmp_path / key
        path.write_text(text)
        fixed = ("--against", against, "--nats-url", server.url, "--since", "200000h")
        return main(["policy", "backtest", str(path), *fixed, *words])

    return run


def store(server: EmbeddedServer, *looks: RecordedLook) -> None:
    async def run() -> None:
        client = Client()
        await client.connect(server.url)
        await streams.ensure(client)
        for look in looks:
            subject = looked(look.uid, StepName(look.step), look.stage)
            await client.jetstream().publish(subject, encode(look))
        await client.close()

    asyncio.run(run())


def safety(n: int, *, allowed: bool, **more: Any) -> RecordedLook:
    said = verdict("safety_mine.rego", *([] if allowed else ["no"]), allowed=allowed)
    return recorded_look(said, data={"n": n}, **more)


def test_what_would_change_is_shown_with_both_verdicts(
    server: EmbeddedServer, backtest: Backtest, capsys: pytest.CaptureFixture[str]
) -> None:
    store(server, safety(1, allowed=True), safety(5, allowed=True), safety(9, allowed=False))

    code = backtest("safety_mine.rego", MINE.format(3))

    said = capsys.readouterr().out
    assert code == 3
    assert "allow -> deny" in said
    assert "safety_mine.rego (safety)" in said
    assert said.splitlines()[-1] == (
        "3 replayed, 1 would change (1 allow->deny, 0 deny->allow), 0 without a recorded input"
    )


def test_nothing_changes_when_every_answer_stays(
    server: EmbeddedServer, backtest: Backtest, capsys: pytest.CaptureFixture[str]
) -> None:
    store(server, safety(1, allowed=True), recorded_look(verdict("safety_mine.rego")))

    assert backtest("safety_mine.rego", MINE.format(3)) == 0
    assert capsys.readouterr().out == (
        "1 replayed, 0 would change (0 allow->deny, 0 deny->allow), 1 without a recorded input\n"
    )


def test_a_policy_that_was_not_there_may_refuse_what_was_allowed(
    server: EmbeddedServer, backtest: Backtest, capsys: pytest.CaptureFixture[str]
) -> None:
    store(server, recorded_look(verdict("safety_other.rego", allowed=True), data={"n": 5}))

    assert backtest("safety_mine.rego", MINE.format(3)) == 3
    assert "none -> deny" in capsys.readouterr().out


@pytest.mark.parametrize(
    "said",
    [
        verdict("deployment_exists", allowed=True),
        verdict("ours", allowed=True, reference="deployment_exists.rego"),
        verdict(
            "ours",
            allowed=True,
            reference="configmap:scale_deployment_deployment_exists.rego:allow",
        ),
    ],
    ids=["by type", "by file", "by key"],
)
def test_a_condition_is_found_as_its_step_names_it(
    server: EmbeddedServer, backtest: Backtest, capsys: pytest.CaptureFixture[str], said: Any
) -> None:
    data = {"deployment_found": True}
    store(server, recorded_look(said, stage="precondition", data=data))
    never = f'{EXISTS}default allow := false\n\nerror_message := "never"\n'

    assert backtest("scale_deployment_deployment_exists.rego", never) == 3
    shown = capsys.readouterr().out
    assert f"{said.policy} (precondition)" in shown
    assert "never" in shown


def test_a_condition_with_a_policy_of_its_own_is_not_what_was_changed(
    server: EmbeddedServer, backtest: Backtest, capsys: pytest.CaptureFixture[str]
) -> None:
    inline = verdict("deployment_exists", allowed=True, is_inline=True)
    store(server, recorded_look(inline, stage="precondition", data={"deployment_found": True}))

    assert backtest("scale_deployment_deployment_exists.rego", f"{EXISTS}allow := false\n") == 1
    assert "none of them asked what is given" in capsys.readouterr().err


def test_a_changed_library_is_tried_with_every_policy_that_uses_it(
    server: EmbeddedServer, backtest: Backtest, capsys: pytest.CaptureFixture[str]
) -> None:
    text = next(each for each in defaults().libraries if each.lstrip("# ").startswith("What"))
    data = {
        "action": "scale_deployment",
        "parameters": {"replicas": 0},
        "target_resource": {"kind": "Deployment", "labels": {}, "annotations": {}},
    }
    store(server, recorded_look(verdict("safety_scaling.rego", allowed=True), data=data))
    critical = text.replace(
        'is_critical if input.target_resource.labels.critical == "true"', "is_critical := true"
    )
    assert critical != text

    assert backtest("lib_actions.rego", critical, "--json") == 3
    changes = json.loads(capsys.readouterr().out)["changes"]
    assert "safety_scaling.rego" in {each["policy"] for each in changes}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("shop/fix",), 3),
        (("fix", "-n", "shop"), 3),
        (("stream", "-n", "shop"), 3),
        (("fix",), 1),
        (("shop/other",), 1),
        (("stream", "-n", "elsewhere"), 1),
    ],
)
def test_one_workflow_or_namespace_alone(
    server: EmbeddedServer,
    backtest: Backtest,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
) -> None:
    store(server, safety(5, allowed=True))
    against, *more = words

    assert backtest("safety_mine.rego", MINE.format(3), *more, against=against) == code
    told = capsys.readouterr().err
    assert ("there is of shop/fix" in told) is (code == 1)


def test_where_nothing_is_recorded_it_says_what_to_do(
    server: EmbeddedServer, backtest: Backtest, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backtest("safety_mine.rego", MINE.format(3)) == 1
    assert "there is no stream WFPOL" in capsys.readouterr().err
    store(server)
    assert backtest("safety_mine.rego", MINE.format(3)) == 1
    assert "MENDFLOW_RECORD_POLICY_INPUTS" in capsys.readouterr().err


def test_what_a_service_would_not_take_is_not_tried(
    backtest: Backtest, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert backtest("safety_mine.rego", f"{MINE.format(3)}x := http.send({{}})\n") == 1
    told = capsys.readouterr().err
    assert f"{tmp_path}/safety_mine.rego: line 8: http.send is not a function" in told


def test_rubbish_on_the_stream_is_passed_by(server: EmbeddedServer, backtest: Backtest) -> None:
    odd = msgspec.structs.replace(safety(1, allowed=True), stage="later", step="b")
    newer = msgspec.structs.replace(safety(1, allowed=True), schema=9, step="c")
    store(server, odd, newer, safety(5, allowed=True))

    assert backtest("safety_mine.rego", MINE.format(3)) == 3


class Given:
    """A cluster that is like the test says."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data

    async def condition_input(self, *_: object, **__: object) -> dict[str, Any]:
        return self.data

    async def safety_input(self, *_: object, **__: object) -> dict[str, Any]:
        return self.data


def test_what_a_checker_decided_is_recorded_and_decided_again_by_the_same_policies(
    server: EmbeddedServer, backtest: Backtest, capsys: pytest.CaptureFixture[str]
) -> None:
    step = msgspec.structs.replace(
        scale_step("grow"),
        pre_conditions=[
            StepCondition(type=type_, description="d")
            for type_ in ("deployment_exists", "current_replicas_match")
        ],
    )
    asyncio.run(_decide(server, step))
    capsys.readouterr()

    for entry in ("deployment_exists", "current_replicas_match"):
        key = f"scale_deployment_{entry}.rego"
        text = defaults().keys[key].module
        assert backtest(key, f"# Changed in words alone.\n{text}", "--json") == 0
        assert json.loads(capsys.readouterr().out)["replayed"] == 1
    assert backtest("safety_mine.rego", MINE.format(3), "--json") == 3
    (change,) = json.loads(capsys.readouterr().out)["changes"]
    assert (change["policy"], change["before"]) == ("safety_mine.rego", None)


class CountingMetrics(PolicyMetrics):
    """Tells when two looks were kept."""

    def __init__(self) -> None:
        super().__init__(CollectorRegistry())
        self.two_kept = asyncio.Event()
        self._kept = 0

    def look_recorded(self, result: Recorded) -> None:
        self._kept += result is Recorded.KEPT
        if self._kept == 2:
            self.two_kept.set()


async def _decide(server: EmbeddedServer, step: Step) -> None:
    """Have a step checked and judged by a service that records."""
    clock, metrics = SystemClock(), CountingMetrics()
    bus = JetStreamBus(server.url, name="t", service=Service.ORCHESTRATOR, clock=clock)
    recorder = LookRecorder(
        bus, clock=clock, service=Service.ORCHESTRATOR, identity="t", metrics=metrics
    )
    tasks = [asyncio.create_task(work) for work in (bus.run(), recorder.run())]
    data = {"deployment_found": True, "current_replicas": 1, "expected_baseline": 1}
    workflow = make_workflow([step])
    async with asyncio.timeout(60), WorkerEngine(clock=clock, wait_s=30) as engine:
        checker = PolicyChecker(
            engine=engine,
            policies=LivePolicies(defaults()),
            inputs=Given(data),
            metrics=metrics,
            recorder=recorder,
        )
        connected = asyncio.Event()
        bus.on_reconnect(connected.set)
        await connected.wait()
        results = await checker.check(workflow, step, "precondition", fresh=True)
        assert [each.passed for each in results] == [True, True]
        await checker.judge(
            workflow, step.name, action=step.action, parameters=step.parameters, rollback=False
        )
        await metrics.two_kept.wait()
    for task in reversed(tasks):
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
