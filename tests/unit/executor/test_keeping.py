"""Where a state is kept: what may not stand in a status goes to a Secret, and comes back whole."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.executor.core import keeping
from services.executor.core.changes import RefusedError, State
from shared.api.enums import ErrorType
from shared.api.groups import CONFIG_MAP, DEPLOYMENT, SECRET
from tests.support.builders import execution_of, make_workflow, planned, scale_step

EXECUTION = execution_of(planned(make_workflow([scale_step("a")])), "a")
values = st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=4)


def _state(*paths: str, value: str = "1") -> State:
    return State(before=dict.fromkeys(paths, ""), after=dict.fromkeys(paths, value))


@given(values, values, st.booleans())
def test_what_is_kept_comes_back_whole(
    before: dict[str, str], after: dict[str, str], absent: bool
) -> None:
    state = State(before=before, after=after, absent_before=absent)

    secret = keeping.secret_of(EXECUTION, "kept", state)

    assert keeping.state_in(secret) == state
    assert keeping.is_kept_for(secret, EXECUTION)
    assert secret["immutable"] is True


@given(values, values)
def test_what_is_shown_of_it_holds_no_value(before: dict[str, str], after: dict[str, str]) -> None:
    shown = keeping.shown(State(before=before, after=after), "x-undo-7")

    assert set(shown.before.values()) <= {"(before, in Secret x-undo-7)"}
    assert set(shown.after.values()) <= {"(after, in Secret x-undo-7)"}
    assert set(shown.after) <= set(after)


def test_a_status_names_no_more_paths_than_it_may_have() -> None:
    many = _state(*(f"data.{n}" for n in range(40)))

    assert len(keeping.shown(many, "kept").after) == keeping.IN_STATUS_PATHS


@pytest.mark.parametrize(
    ("before", "followed"), [("2", "after"), ("1", "before"), ("7", "nothing")]
)
def test_texts_are_equal_where_the_values_are_that_they_stand_for(
    before: str, followed: str
) -> None:
    first = State(before={"data.a": "1"}, after={"data.a": "2"})
    second = State(before={"data.a": before}, after={"data.a": "3"})
    earlier = keeping.shown(first, "first")

    shown = keeping.linked(keeping.shown(second, "second"), second, shown=earlier, earlier=first)

    assert (shown.before == earlier.after) is (followed == "after")
    assert (shown.before == earlier.before) is (followed == "before")
    assert shown.after == {"data.a": "(after, in Secret second)"}


@pytest.mark.parametrize(
    "path",
    [
        "spec.template.spec.containers",
        "spec.template.spec.containers[web].env",
        "spec.template.spec.containers[web].env[TOKEN]",
        "spec.template.spec.containers[web].env[TOKEN].value",
        "spec.template.spec.initContainers",
        "spec.template",
        "spec.jobTemplate",
        "spec.jobTemplate.spec.template.spec",
        "spec.jobTemplate.spec.template.spec.containers[x].env",
        "metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]",
    ],
)
def test_what_often_holds_a_secret_is_in_no_status(path: str) -> None:
    assert keeping.belongs_in_secret(DEPLOYMENT, _state(path))


@pytest.mark.parametrize(
    "path", ["spec.replicas", "spec.template.spec.containers[web].image", "metadata.labels.env"]
)
def test_what_people_are_to_see_is_in_the_status(path: str) -> None:
    assert not keeping.belongs_in_secret(DEPLOYMENT, _state(path))


def test_a_value_of_a_secret_is_in_no_status() -> None:
    assert keeping.belongs_in_secret(SECRET, _state("data.a"))


def test_what_is_long_is_in_no_status() -> None:
    long = _state("data.a", value="x" * keeping.IN_STATUS_BYTES)

    assert keeping.belongs_in_secret(CONFIG_MAP, long)
    assert not keeping.belongs_in_secret(CONFIG_MAP, _state("data.a"))


def test_what_is_too_large_for_a_secret_is_not_changed_at_all() -> None:
    large = _state("data.a", value="x" * keeping.IN_SECRET_BYTES)

    with pytest.raises(RefusedError, match="make smaller changes") as refused:
        keeping.secret_of(EXECUTION, "kept", large)

    assert (refused.value.error, refused.value.reason) == (
        ErrorType.VALIDATION_ERROR,
        "StateTooLarge",
    )


@pytest.mark.parametrize(
    "broken",
    [{}, {"data": None}, {"data": {}}, {"data": {"state": "!"}}, {"data": {"state": "e30="}}],
)
def test_a_secret_that_somebody_broke_is_named(broken: dict[str, Any]) -> None:
    with pytest.raises(RefusedError, match="Secret kept does not hold the state before"):
        keeping.state_in({"metadata": {"name": "kept"}} | broken)


def test_a_secret_of_somebody_else_is_not_taken_for_ours() -> None:
    ours = keeping.secret_of(EXECUTION, "kept", _state("a"))
    ref = msgspec.structs.replace(EXECUTION.spec.workflow_execution_ref, uid="another")
    spec = msgspec.structs.replace(EXECUTION.spec, workflow_execution_ref=ref)

    assert not keeping.is_kept_for(ours, msgspec.structs.replace(EXECUTION, spec=spec))
    assert not keeping.is_kept_for(ours | {"type": "Opaque"}, EXECUTION)
