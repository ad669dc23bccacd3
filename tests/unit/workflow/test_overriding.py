"""What an operator overrides counts with a name, and the workflow says what became of it."""

import msgspec
import pytest

from shared.api.meta import OVERRIDDEN_BY_ANNOTATION, OVERRIDE_ANNOTATION, Condition
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import StepCondition
from shared.workflow.overriding import OVERRIDDEN, override_of
from shared.workflow.phases import derive
from tests.support.builders import NOW, make_workflow, planned, scale_step


def annotated(types: str | None, by: str | None) -> WorkflowExecution:
    conditions = [StepCondition(type=each, description="d") for each in ("there", "roomy")]
    step = msgspec.structs.replace(scale_step("a"), pre_conditions=conditions)
    return with_annotations(planned(make_workflow([step])), types, by)


def with_annotations(
    workflow: WorkflowExecution, types: str | None, by: str | None
) -> WorkflowExecution:
    said = {OVERRIDE_ANNOTATION: types, OVERRIDDEN_BY_ANNOTATION: by}
    annotations = {key: value for key, value in said.items() if value is not None}
    meta = msgspec.structs.replace(workflow.metadata, annotations=annotations)
    return msgspec.structs.replace(workflow, metadata=meta)


def told(workflow: WorkflowExecution) -> Condition | None:
    status = derive(workflow, workflow.status, now=NOW)
    return next((each for each in status.conditions if each.type == OVERRIDDEN), None)


@pytest.mark.parametrize(
    ("types", "found"),
    [
        ("there", ("there",)),
        (" there, roomy ,,there", ("there", "roomy")),
        ("", ()),
        (" , ", ()),
        (None, ()),
    ],
)
def test_types_stand_with_commas_between_them(types: str | None, found: tuple[str, ...]) -> None:
    assert override_of(annotated(types, "olga")).types == found


@pytest.mark.parametrize("by", [None, "", "  "])
def test_an_override_without_a_name_counts_for_nothing_and_says_why(by: str | None) -> None:
    workflow = annotated("there", by)

    assert override_of(workflow).in_force == frozenset()
    said = told(workflow)
    assert said is not None
    assert (said.status, said.reason) == ("False", "NotAttributed")
    assert "apply deploy/admission" in said.message


def test_who_overrides_what_is_told() -> None:
    workflow = annotated("there", "olga")

    assert override_of(workflow).in_force == {"there"}
    said = told(workflow)
    assert said is not None
    assert (said.status, said.message) == ("True", "olga: there need not hold")


@pytest.mark.parametrize(
    ("types", "status", "message"),
    [
        ("their", "False", "no step has the condition their; there are: roomy, there"),
        (
            "there,their",
            "True",
            "olga: there need not hold; no step has the condition their",
        ),
    ],
)
def test_an_override_of_what_no_step_has_is_told(types: str, status: str, message: str) -> None:
    said = told(annotated(types, "olga"))

    assert said is not None
    assert (said.status, said.message) == (status, message)


def test_a_very_long_override_is_told_in_one_line() -> None:
    said = told(annotated(",".join(f"type-{number}" for number in range(9999)), "olga" * 999))

    assert said is not None
    assert len(said.message) == 256


def test_an_override_that_was_taken_away_is_told_too() -> None:
    workflow = annotated("there", "olga")
    told_before = derive(workflow, workflow.status, now=NOW)
    after = with_annotations(msgspec.structs.replace(workflow, status=told_before), None, "oskar")

    said = told(after)

    assert said is not None
    assert (said.status, said.reason) == ("False", "Removed")
    assert said.message == "taken away by oskar"


def test_a_workflow_that_nobody_overrides_says_nothing_of_it() -> None:
    assert told(annotated(None, None)) is None
    assert told(annotated(None, "olga")) is None
