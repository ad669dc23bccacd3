"""What services hear about a step: policies in force, on an input, in real workers."""

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from shared.api.meta import OVERRIDDEN_BY_ANNOTATION, OVERRIDE_ANNOTATION
from shared.api.parameters import Parameters
from shared.api.results import ConditionResult
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import (
    ActionOverrides,
    ConditionOverride,
    Step,
    StepCondition,
)
from shared.clock import SystemClock
from shared.errors import PermanentError
from shared.policy.engine import WorkerEngine
from shared.policy.library import Library, LivePolicies
from shared.policy.loading import loaded
from shared.policy.port import Policy, Verdict
from shared.policy.shipped import defaults
from shared.telemetry.policies import PolicyMetrics
from shared.worker.checking import PolicyChecker
from shared.worker.cluster_state import ClusterReader
from tests.support.builders import make_workflow, scale_step

if TYPE_CHECKING:
    from shared.kube.port import Cluster

YES = "package precondition.mine\nimport rego.v1\nallow if input.n == 1"
NO = f'{YES}0\nerror_message := sprintf("n is %v, \\"quoted\\"", [input.n])'
BROKEN = "package precondition.mine\nallow if {"
SAFE = "package safety.ours\nimport rego.v1\ndefault allow := true\n"
TORN = "package safety.torn\nimport rego.v1\nallow := input.n == 1\nallow := input.n == 2\n"


class Given:
    """What a test says that the cluster is like."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {"n": 1}
        self.error: Exception | None = None

    async def condition_input(
        self, workflow: WorkflowExecution, step: Step, *, parameters: Parameters, fresh: bool
    ) -> dict[str, Any]:
        del workflow, step, parameters, fresh
        return self._seen()

    async def safety_input(
        self,
        workflow: WorkflowExecution,
        *,
        action: str,
        parameters: Parameters,
        step_name: str,
        rollback: bool,
    ) -> dict[str, Any]:
        del workflow, action, parameters, step_name, rollback
        return self._seen()

    def _seen(self) -> dict[str, Any]:
        if self.error is not None:
            raise self.error
        return self.data


class Interrupted:
    """The engine, after each answer of which another version comes in force."""

    def __init__(
        self, engine: WorkerEngine, live: LivePolicies, versions: Sequence[Library]
    ) -> None:
        self._engine = engine
        self._live = live
        self._versions = iter(versions)

    async def decide(self, policy: Policy, data: dict[str, Any], *, tenant: str) -> Verdict:
        verdict = await self._engine.decide(policy, data, tenant=tenant)
        self._live.swap(next(self._versions))
        return verdict

    async def defects(self, policy: Policy) -> tuple[str, ...]:
        return await self._engine.defects(policy)


class Asked:
    """A checker, and what it depends on."""

    def __init__(self, engine: WorkerEngine) -> None:
        self.engine = engine
        self.given = Given()
        self.registry = CollectorRegistry()
        self.live = LivePolicies(defaults())
        self.checker = PolicyChecker(
            engine=engine,
            policies=self.live,
            inputs=self.given,
            metrics=PolicyMetrics(self.registry),
        )

    async def version(self, word: str) -> Library:
        """Return a version in which each of two policies says this word, and does not hold."""
        rules = f'import rego.v1\ndefault allow := false\nerror_message := "{word}"\n'
        texts = {f"any_{n}.rego": f"package precondition.any.{n}\n{rules}" for n in ("p", "q")}
        library = await loaded(texts, {"version": word}, engine=self.engine)
        assert isinstance(library, Library), library
        return library

    async def guard(self, **texts: str) -> None:
        """Put nothing but these safety policies in force."""
        library = await loaded(
            {f"safety_{name}.rego": text for name, text in texts.items()}, {}, engine=self.engine
        )
        assert isinstance(library, Library)
        only = tuple(each for each in library.safety if each.name.split(".")[0][7:] in texts)
        self.live.swap(msgspec.structs.replace(library, safety=only))

    async def judged(
        self, workflow: WorkflowExecution | None = None
    ) -> tuple[bool, bool, list[str]]:
        """Return whether a change is allowed, whether that was said, and why not."""
        step = scale_step("a")
        answer = await self.checker.judge(
            workflow or make_workflow([step]),
            step.name,
            action=step.action,
            parameters=step.parameters,
            rollback=False,
        )
        return answer.result.allowed, answer.is_answered, answer.result.reasons


@pytest.fixture
async def asked() -> AsyncIterator[Asked]:
    """A checker on workers of its own."""
    async with WorkerEngine(clock=SystemClock()) as engine:
        yield Asked(engine)


def step_with(*texts: str, required: bool = True) -> Step:
    conditions = [
        StepCondition(type=f"c{place}", description="d", rego=text, required=required)
        for place, text in enumerate(texts)
    ]
    return msgspec.structs.replace(scale_step("a"), pre_conditions=conditions)


def overridden(workflow: WorkflowExecution, types: str, *, by: str) -> WorkflowExecution:
    annotations = {OVERRIDE_ANNOTATION: types, OVERRIDDEN_BY_ANNOTATION: by}
    meta = msgspec.structs.replace(workflow.metadata, annotations=annotations)
    return msgspec.structs.replace(workflow, metadata=meta)


async def test_row_78_after_a_required_one_that_does_not_hold_nothing_is_evaluated(
    asked: Asked,
) -> None:
    step = step_with(YES, NO, YES)

    results = await asked.checker.check(make_workflow([step]), step, "precondition", fresh=True)

    assert [(r.evaluated, r.passed) for r in results] == [(True, True), (True, False), (False,) * 2]
    assert results[1].error_message == 'n is 1, "quoted"'
    assert {r.policy_revision for r in results} == {defaults().revision}


async def test_row_88_one_version_answers_for_all_conditions_of_a_step(asked: Asked) -> None:
    old, new = await asked.version("old"), await asked.version("new")
    asked.live.swap(old)
    checker = PolicyChecker(
        engine=Interrupted(asked.engine, asked.live, [new, new]),
        policies=asked.live,
        inputs=asked.given,
        metrics=PolicyMetrics(CollectorRegistry()),
    )
    conditions = [StepCondition(type=n, description="d", required=False) for n in ("p", "q")]
    step = msgspec.structs.replace(scale_step("a"), pre_conditions=conditions)

    results = await checker.check(make_workflow([step]), step, "precondition", fresh=True)

    assert asked.live.current is new
    assert [(r.error_message, r.policy_revision) for r in results] == [("old", old.revision)] * 2


async def test_row_77_optional_ones_are_all_evaluated(asked: Asked) -> None:
    step = step_with(NO, YES, required=False)

    results = await asked.checker.check(make_workflow([step]), step, "precondition", fresh=True)

    assert [(r.evaluated, r.passed, r.required) for r in results] == [
        (True, False, False),
        (True, True, False),
    ]


async def test_an_optional_one_about_what_nothing_measures_is_not_evaluated(
    asked: Asked,
) -> None:
    asked.given.data = {"pods": [{"name": "web-1", "status": "Running", "oom_killed": False}]}
    condition = StepCondition(type="resource_usage_acceptable", description="d", required=False)
    optional = msgspec.structs.replace(scale_step("a"), post_conditions=[condition])
    required = msgspec.structs.replace(
        optional, post_conditions=[msgspec.structs.replace(condition, required=True)]
    )

    async def checked(step: Step) -> ConditionResult:
        workflow = make_workflow([step])
        (result,) = await asked.checker.check(workflow, step, "postcondition", fresh=True)
        return result

    unknown, must = await checked(optional), await checked(required)
    asked.given.data["pods"][0]["throttled"] = False
    measured = await checked(optional)

    assert (unknown.evaluated, unknown.passed, unknown.attempts) == (False, False, 0)
    assert "nothing here measures whether pods are throttled" in unknown.error_message
    assert (must.evaluated, must.passed) == (True, False)
    assert (measured.evaluated, measured.passed) == (True, True)


async def test_row_90_an_override_makes_a_required_one_a_warning_that_says_so(
    asked: Asked,
) -> None:
    step = step_with(NO, YES)
    workflow = make_workflow([step])
    override = ActionOverrides(preconditions={"c0": ConditionOverride(required=False)})
    spec = msgspec.structs.replace(
        workflow.spec, condition_overrides={"scale_deployment": override}
    )
    workflow = msgspec.structs.replace(workflow, spec=spec)

    first, second = await asked.checker.check(workflow, step, "precondition", fresh=True)

    assert (first.required, first.passed, second.evaluated) == (False, False, True)
    assert "spec.conditionOverrides" in first.error_message
    assert (first.overridden_by, second.overridden_by) == ("spec.conditionOverrides", "")


@pytest.mark.parametrize("text", [YES, NO])
async def test_who_overrides_is_recorded_whether_the_condition_holds_or_not(
    asked: Asked, text: str
) -> None:
    step = step_with(text)
    workflow = overridden(make_workflow([step]), "c0", by="olga")

    (result,) = await asked.checker.check(workflow, step, "precondition", fresh=True)

    assert not result.required
    assert result.overridden_by == "olga (annotation kubernaut.io/override-condition)"


async def test_an_override_that_the_api_server_did_not_let_through_counts_for_nothing(
    asked: Asked,
) -> None:
    step = step_with(NO)
    workflow = overridden(make_workflow([step]), "c0", by="")

    (result,) = await asked.checker.check(workflow, step, "precondition", fresh=True)

    assert (result.required, result.overridden_by) == (True, "")


async def test_no_override_reaches_a_safety_policy(asked: Asked) -> None:
    no = SAFE.replace("ours", "no") + 'deny contains "not today" if input.n == 1\n'
    await asked.guard(no=no)
    step = scale_step("a")
    names = ("no", "safety.no", "safety_no", "safety_no.rego", "safety")
    every = {name: ConditionOverride(required=False) for name in names}
    overrides = ActionOverrides(preconditions=every, postconditions=every)
    workflow = overridden(make_workflow([step]), ",".join(names), by="olga")
    spec = msgspec.structs.replace(
        workflow.spec, condition_overrides={"scale_deployment": overrides}
    )
    workflow = msgspec.structs.replace(workflow, spec=spec)

    assert await asked.judged(workflow) == (False, True, ["safety_no.rego: not today"])


async def test_what_cannot_be_evaluated_does_not_hold_and_says_why(asked: Asked) -> None:
    for text, why in (("nowhere.rego", "there is no policy"), (BROKEN, "} is missing at the end")):
        step = step_with(text)
        workflow = make_workflow([step])

        (result,) = await asked.checker.check(workflow, step, "precondition", fresh=True)

        assert not result.passed
        assert why in result.error_message.lower()
        assert (await asked.checker.unusable(step, "precondition")).keys() == {"c0"}


async def test_a_cluster_that_cannot_be_read_is_no_reason_to_go_on(asked: Asked) -> None:
    asked.given.error = PermanentError("Forbidden", "nodes is forbidden")
    step = step_with(YES)

    (result,) = await asked.checker.check(make_workflow([step]), step, "precondition", fresh=True)
    allowed, answered, (reason,) = await asked.judged()

    assert (result.passed, allowed, answered) == (False, False, False)
    assert "nodes is forbidden" in result.error_message
    assert "nodes is forbidden" in reason


async def test_row_73_a_safety_policy_that_gives_no_answer_allows_nothing(asked: Asked) -> None:
    await asked.guard(fine=SAFE.replace("ours", "fine"))
    assert await asked.judged() == (True, True, [])
    await asked.guard(fine=SAFE.replace("ours", "fine"), torn=TORN)

    allowed, answered, (reason,) = await asked.judged()

    assert (allowed, answered) == (False, False)
    assert reason.startswith("safety_torn.rego: ")


async def test_one_denial_counts_before_any_silence(asked: Asked) -> None:
    no = SAFE.replace("ours", "no") + 'deny contains "not today" if input.n == 1\n'
    await asked.guard(torn=TORN, no=no)

    assert await asked.judged() == (False, True, ["safety_no.rego: not today"])
    assert _denials(asked, "safety_no.rego", "true") == 1
    assert _denials(asked, "safety_torn.rego", "false") is None
    for policy in ("safety_no.rego", "safety_torn.rego"):
        taken = "policy_evaluation_duration_seconds_count"
        assert asked.registry.get_sample_value(taken, {"policy": policy}) == 1


async def test_what_no_policy_could_be_asked_about_is_counted_too(asked: Asked) -> None:
    asked.given.error = PermanentError("Forbidden", "nodes is forbidden")

    await asked.judged()

    assert _denials(asked, "none", "false") == 1


async def test_row_73_an_engine_that_is_not_there_allows_nothing() -> None:
    asked = Asked(WorkerEngine(clock=SystemClock()))

    allowed, answered, reasons = await asked.judged()

    assert (allowed, answered) == (False, False)
    assert reasons


@pytest.mark.parametrize("action", ["format_disks", "", "Restart_Everything"])
async def test_an_action_that_nobody_knows_is_not_allowed(asked: Asked, action: str) -> None:
    step = scale_step("a")
    unread = ClusterReader(cast("Cluster", None), SystemClock())
    checker = PolicyChecker(
        engine=asked.engine,
        policies=asked.live,
        inputs=unread,
        metrics=PolicyMetrics(CollectorRegistry()),
    )

    answer = await checker.judge(
        make_workflow([step]), step.name, action=action, parameters=step.parameters, rollback=False
    )

    assert (answer.result.allowed, answer.is_answered) == (False, False)
    assert f"there is no action {action!r}" in answer.why_not


async def test_what_is_allowed_with_a_note_says_so(asked: Asked) -> None:
    noted = SAFE.replace("ours", "noted") + 'note contains sprintf("n is %v", [input.n])\n'
    await asked.guard(noted=noted, fine=SAFE.replace("ours", "fine"))
    step = scale_step("a")

    answer = await asked.checker.judge(
        make_workflow([step]),
        step.name,
        action=step.action,
        parameters=step.parameters,
        rollback=False,
    )

    assert answer.result.allowed
    assert answer.result.notes == ["safety_noted.rego: n is 1"]


@pytest.mark.parametrize(
    ("rules", "allowed"),
    [
        ('note contains "x" if input.n == 2\n', True),
        ("note := 1\nnote := 2\n", False),
        ("note contains x if x := note\n", False),
    ],
)
async def test_a_note_that_cannot_be_evaluated_allows_nothing(
    asked: Asked, rules: str, *, allowed: bool
) -> None:
    await asked.guard(noted=SAFE.replace("ours", "noted") + rules)

    assert (await asked.judged())[0] is allowed


def _denials(asked: Asked, policy: str, answered: str) -> float | None:
    labels = {"policy": policy, "action": "scale_deployment", "answered": answered}
    return asked.registry.get_sample_value("policy_denials_total", labels)


async def test_without_safety_policies_nothing_is_allowed(asked: Asked) -> None:
    asked.live.swap(msgspec.structs.replace(defaults(), safety=()))

    assert await asked.judged() == (False, False, ["there are no safety policies"])
