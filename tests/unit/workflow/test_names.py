"""Derived names: the same attempt is the same object, another one never is."""

import re

import pytest

from shared.api.enums import ExecutionKind
from shared.ids import Uid
from shared.workflow import durations
from shared.workflow.names import execution_name


def named(workflow: str, step: str, *, attempt: int = 1, kind: str = "forward") -> str:
    return execution_name(
        workflow=workflow,
        uid=Uid("u"),
        step=step,
        number=1,
        attempt=attempt,
        kind=ExecutionKind(kind),
    )


def test_a_name_is_a_dns_label_however_long_its_parts() -> None:
    name = named("w." * 120, "s" * 40, kind="rollback")

    assert len(name) <= 63
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name)
    assert name.endswith("-rb")


def test_names_differ_by_step_attempt_and_direction() -> None:
    names = {
        named("a-b", "c"),
        named("a", "b-c"),
        named("a-b", "c", attempt=2),
        named("a-b", "c", kind="rollback"),
        named("a-b", "c", kind="settle"),
    }

    assert len(names) == 5


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("1h30m", 5400), ("250ms", 0.25)])
def test_go_durations_are_read(text: str, seconds: float) -> None:
    assert durations.parse(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["5 minutes", "", "5", "-5m", "5m5"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        durations.parse(text)
