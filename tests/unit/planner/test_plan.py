"""The plan: the four patterns, the modes, the way back, the duration and the digest."""

import time
from datetime import timedelta

import msgspec
import pytest

from services.planner.core.plan import initial_steps, make_plan, step_timeout
from services.planner.core.validate import validate
from shared.api.enums import ExecutionMode, StepPhase
from shared.api.meta import ObjectMeta
from shared.api.parameters import Parameters, RestartDeployment
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import (
    ActionOverrides,
    ConditionOverride,
    ExecutionStrategy,
    Step,
)
from shared.api.workflow_status import StepStatus
from tests.support.builders import diamond, make_workflow, notify_step, scale_step

SEQUENTIAL = ExecutionStrategy(mode=ExecutionMode.SEQUENTIAL)


def chain(length: int) -> list[Step]:
    first, *others = [f"s{place}" for place in range(length)]
    return [scale_step(first), *(scale_step(n, needs=[f"s{int(n[1:]) - 1}"]) for n in others)]


def fork_join() -> list[Step]:
    forks = [scale_step(name, needs=["start"]) for name in ("x", "y", "z")]
    return [scale_step("start"), *forks, scale_step("join", needs=["x", "y", "z"])]


def restart_step(name: str) -> Step:
    parameters = Parameters(restart_deployment=RestartDeployment(deployment=name))
    return Step(name=name, action="RestartDeployment", parameters=parameters)


@pytest.mark.parametrize(
    ("steps", "expected", "strategy"),
    [
        pytest.param(
            [scale_step(n) for n in "abc"], [["a", "b", "c"]], "parallel", id="independent"
        ),
        pytest.param(chain(3), [["s0"], ["s1"], ["s2"]], "sequential", id="chain"),
        pytest.param(
            diamond(), [["a"], ["b", "c"], ["d"]], "sequential-with-parallel", id="diamond"
        ),
        pytest.param(
            fork_join(),
            [["start"], ["x", "y", "z"], ["join"]],
            "sequential-with-parallel",
            id="fork and join",
        ),
        pytest.param([scale_step("a")], [["a"]], "sequential", id="a single step"),
    ],
)
def test_patterns(steps: list[Step], expected: list[list[str]], strategy: str) -> None:
    plan = make_plan(make_workflow(steps))

    assert plan.batches == expected
    assert plan.strategy == strategy
    assert plan.order == [name for batch in expected for name in batch]
    assert plan.reverse_order == plan.order[::-1]


def test_sequential_mode_plans_one_step_at_a_time_without_breaking_dependencies() -> None:
    steps = [scale_step("late", needs=["early"]), scale_step("early"), scale_step("other")]

    plan = make_plan(make_workflow(steps, strategy=SEQUENTIAL))

    assert plan.batches == [["early"], ["other"], ["late"]]
    assert plan.strategy == "sequential"


def test_a_chain_of_a_hundred_is_valid_and_quickly_planned() -> None:
    workflow = make_workflow(chain(100))
    began = time.process_time()

    assert validate(workflow) == []
    assert len(make_plan(workflow).batches) == 100
    assert time.process_time() - began < 0.5


def test_irreversible_are_the_steps_that_change_the_cluster_for_good() -> None:
    steps = [scale_step("scale"), restart_step("restart"), notify_step("tell")]

    assert make_plan(make_workflow(steps)).irreversible == ["restart"]


@pytest.mark.parametrize(
    ("steps", "strategy", "expected"),
    [
        pytest.param(diamond(), None, "900.000s", id="longest path"),
        pytest.param(diamond(), SEQUENTIAL, "1200.000s", id="sequential adds everything up"),
        pytest.param(
            [msgspec.structs.replace(scale_step("a"), timeout="1m30s"), notify_step("b")],
            None,
            "90.000s",
            id="own timeouts count",
        ),
    ],
)
def test_estimated_duration(
    steps: list[Step], strategy: ExecutionStrategy | None, expected: str
) -> None:
    assert make_plan(make_workflow(steps, strategy=strategy)).estimated_duration == expected


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        pytest.param(notify_step("a"), timedelta(seconds=10), id="default of the catalogue"),
        pytest.param(Step(name="a", timeout="90s"), timedelta(seconds=90), id="its own"),
        pytest.param(Step(name="a", action="dance"), timedelta(minutes=5), id="unknown action"),
    ],
)
def test_step_timeout(step: Step, expected: timedelta) -> None:
    assert step_timeout(step) == expected


def test_initial_steps_are_pending_with_number_and_canonical_action() -> None:
    workflow = make_workflow([notify_step("b", needs=["a"]), restart_step("a")])

    steps = initial_steps(workflow, make_plan(workflow))

    assert steps == [
        StepStatus(name="b", step_number=1, action="notify_only", phase=StepPhase.PENDING),
        StepStatus(name="a", step_number=2, action="restart_deployment", phase=StepPhase.PENDING),
    ]


def test_the_revision_is_the_callers() -> None:
    assert make_plan(make_workflow(diamond()), revision=4).revision == 4


def overridden(workflow: WorkflowExecution) -> WorkflowExecution:
    off = ActionOverrides(preconditions={"there": ConditionOverride(required=False)})
    spec = msgspec.structs.replace(workflow.spec, condition_overrides={"scale_deployment": off})
    return msgspec.structs.replace(workflow, spec=spec)


def digest(workflow: WorkflowExecution) -> str:
    return make_plan(workflow).digest


def test_the_digest_ignores_spelling_status_and_what_may_change_later() -> None:
    plain = make_workflow([restart_step("a"), scale_step("b", needs=["a"])])
    definition = msgspec.structs.replace(
        plain.spec.workflow_definition,
        name="fix",
        steps=[
            msgspec.structs.replace(restart_step("a"), action="rollout-restart", step_number=1),
            scale_step("b"),
        ],
        dependencies={"b": ["1"]},
        ai_recommendations={"overallConfidence": 0.9},
    )
    spec = msgspec.structs.replace(
        plain.spec,
        workflow_definition=definition,
        execution_strategy=ExecutionStrategy(max_parallel_steps=2),
    )
    respelt = msgspec.structs.replace(
        plain, spec=spec, metadata=ObjectMeta(name="fix", resource_version="77")
    )

    assert digest(respelt) == digest(plain)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(make_workflow(diamond(), name="other"), id="name"),
        pytest.param(make_workflow(diamond()[::-1]), id="order of the steps"),
        pytest.param(make_workflow(diamond()[:3]), id="fewer steps"),
        pytest.param(make_workflow(diamond(), strategy=SEQUENTIAL), id="strategy"),
        pytest.param(
            make_workflow([*diamond()[:3], scale_step("d", needs=["b"])]), id="dependencies"
        ),
        pytest.param(
            make_workflow([scale_step("a", replicas=4), *diamond()[1:]]), id="a parameter"
        ),
        pytest.param(overridden(make_workflow(diamond())), id="an override of a condition"),
    ],
)
def test_the_digest_changes_with_what_the_plan_follows_from(other: WorkflowExecution) -> None:
    assert digest(other) != digest(make_workflow(diamond()))
