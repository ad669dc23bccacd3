"""The definition in force: steps taken out and put in, numbers kept."""

import msgspec

from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import AdaptiveOrchestration, Adjustment, Insertion, Step
from shared.workflow.definition import adjusted, definition_of, steps_of
from shared.workflow.graph import dependencies, step_numbers
from tests.support.builders import diamond, make_workflow, planned, scale_step

INSERT = Adjustment(
    name="more",
    insert=[Insertion(step=scale_step("extra", needs=["a"]), before=["d"])],
)
REMOVE = Adjustment(name="less", remove=["c"])


def _adapted(steps: list[Step], *, known: list[Adjustment], used: list[str]) -> WorkflowExecution:
    workflow = planned(make_workflow(steps))
    spec = msgspec.structs.replace(
        workflow.spec,
        adaptive_orchestration=AdaptiveOrchestration(
            dynamic_step_adjustment=True, adjustments=known
        ),
    )
    assert workflow.status.execution_plan is not None
    plan = msgspec.structs.replace(workflow.status.execution_plan, adjustments=used)
    status = msgspec.structs.replace(workflow.status, execution_plan=plan)
    return msgspec.structs.replace(workflow, spec=spec, status=status)


def test_only_adjustments_in_the_plan_are_in_force() -> None:
    workflow = _adapted(diamond(), known=[INSERT, REMOVE], used=["less"])

    assert list(steps_of(workflow)) == ["a", "b", "d"]


def test_adjustments_apply_in_the_order_of_the_plan() -> None:
    workflow = _adapted(diamond(), known=[REMOVE, INSERT], used=["more", "less"])

    definition = definition_of(workflow)

    assert [step.name for step in definition.steps] == ["a", "b", "d", "extra"]
    assert dependencies(definition)["d"] == ("b", "extra")


def test_numbers_stay_and_an_inserted_step_has_the_next_one() -> None:
    workflow = _adapted(diamond(), known=[REMOVE, INSERT], used=["less", "more"])

    assert step_numbers(definition_of(workflow)) == {"a": 1, "b": 2, "d": 4, "extra": 5}


def test_a_removed_step_is_no_longer_needed_by_anybody() -> None:
    definition = adjusted(make_workflow(diamond()).spec.workflow_definition, REMOVE)

    assert dependencies(definition)["d"] == ("b",)


def test_a_need_given_by_number_goes_with_the_removed_step() -> None:
    steps = [scale_step("a"), scale_step("b"), scale_step("c", needs=["1", "2"])]
    removal = Adjustment(name="less", remove=["a"])

    definition = adjusted(make_workflow(steps).spec.workflow_definition, removal)

    assert dependencies(definition)["c"] == ("b",)


def test_a_step_that_is_named_like_the_number_of_a_removed_one_is_still_needed() -> None:
    steps = [scale_step("a"), scale_step("1"), scale_step("c", needs=["1", "a"])]
    removal = Adjustment(name="less", remove=["a"])

    definition = adjusted(make_workflow(steps).spec.workflow_definition, removal)

    assert dependencies(definition)["c"] == ("1",)


def test_what_the_map_of_dependencies_says_of_a_removed_step_goes_too() -> None:
    base = make_workflow([scale_step("a"), scale_step("b"), scale_step("c")])
    definition = msgspec.structs.replace(
        base.spec.workflow_definition, dependencies={"b": ["a"], "c": ["b", "a"]}
    )

    removed = adjusted(definition, Adjustment(name="less", remove=["b"]))

    assert dependencies(removed) == {"a": (), "c": ("a",)}


def test_an_adjustment_that_nobody_knows_changes_nothing() -> None:
    workflow = _adapted(diamond(), known=[INSERT], used=["gone"])

    assert definition_of(workflow) == workflow.spec.workflow_definition
