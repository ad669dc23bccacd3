"""What the demo prints at its end: changes, subjects, one trace, and commands to paste."""

from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from rich.table import Table

from cli.demo import report
from cli.demo.history import Change, History
from cli.demo.place import DEFAULT
from shared.bus.spy import Heard
from shared.contracts.subjects import Fact, Service, command, event, form_of, parked, timer
from shared.ids import StepName, Uid
from tests.support.demo import RUNNING

UID = Uid("0b5f7f0e-0000-4000-8000-000000000001")
OTHER = Uid("0b5f7f0e-0000-4000-8000-000000000002")


def rows(table: Table) -> list[list[str]]:
    console = Console(width=200)
    columns = [[str(cell) for cell in column.cells] for column in table.columns]
    with console.capture() as shown:
        console.print(table)
    assert "…" not in shown.get().replace("0b5f7f0e…", "")
    return [list(row) for row in zip(*columns, strict=True)]


def heard(*subjects: str) -> Iterable[Heard]:
    for second, subject in enumerate(subjects):
        time = f"2026-01-02T03:04:0{second}.500000Z"
        yield Heard(subject=subject, headers={"ce-time": time, "wf-step": "a"})


def deployment(name: str, *, replicas: int = 2, image: str = "r.io/x/web:1") -> dict[str, object]:
    containers = [{"name": "app", "image": image}]
    return {
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": containers}}},
    }


def test_history_keeps_each_value_once_and_in_order() -> None:
    history = History()
    for replicas in (2, 2, 5, 5, 2):
        history.show(deployment("web", replicas=replicas))

    changes = {change.field: change.values for change in history.since_last()}

    assert changes == {
        "replicas": ("2", "5", "2"),
        "image of app": ("web:1",),
        "restartedAt": ("-",),
    }


def test_history_goes_on_from_what_was_last() -> None:
    history = History()
    history.show(deployment("web", replicas=2))
    history.show(deployment("web", replicas=4))
    history.since_last()

    changes = {change.field: change.values for change in history.since_last()}

    assert changes["replicas"] == ("4",)


@pytest.mark.parametrize(
    ("values", "row"),
    [
        (("2",), ["2", "2", ""]),
        (("2", "4"), ["2", "4", ""]),
        (("2", "6", "5", "2"), ["2", "2", "6 → 5"]),
    ],
    ids=["unchanged", "changed", "there and back"],
)
def test_a_change_shows_before_after_and_the_way(values: tuple[str, ...], row: list[str]) -> None:
    change = Change(deployment="web", field="replicas", values=values)

    assert rows(report.changes_table("What changed", [change])) == [["web", "replicas", *row]]


def test_subjects_are_counted_by_form_in_order_of_first_appearance() -> None:
    created = event(UID, Service.WATCHER, Fact.WFE_CREATED)
    order = command(UID, StepName("a"), "f1")
    again = event(OTHER, Service.WATCHER, Fact.WFE_CREATED)

    shown = rows(report.subjects_table(heard(created, order, again)))

    assert shown == [
        ["2", "wf.evt.<uid>.watcher.wfe-created", "a workflow is there"],
        ["1", "wf.cmd.exec.<uid>.<step>.<attempt>", "run this attempt"],
    ]


@pytest.mark.parametrize(
    ("subject", "form"),
    [
        (timer(Service.PLANNER, UID, "deadline"), "wf.tmr.set.planner.<uid>.<key>"),
        (parked(Service.PLANNER, "Undecodable", UID), "wf.dlq.planner.Undecodable.<uid>"),
        ("wf.something.else", "wf.something.else"),
    ],
    ids=["timer", "parked", "unknown"],
)
def test_what_differs_between_workflows_is_left_open(subject: str, form: str) -> None:
    assert form_of(subject) == form


def test_every_fact_has_a_meaning() -> None:
    assert {fact for fact in Fact if fact not in report.MEANINGS} == set()


def test_a_trace_holds_one_workflow_with_times_from_its_first_message() -> None:
    messages = heard(
        event(OTHER, Service.WATCHER, Fact.WFE_CREATED),
        event(UID, Service.WATCHER, Fact.WFE_CREATED),
        event(OTHER, Service.PLANNER, Fact.PLAN_READY),
        command(UID, StepName("a"), "f1"),
        parked(Service.EXECUTOR, "Undecodable", UID),
    )

    shown = rows(report.trace_table(messages, uid=UID, name="fix"))

    assert shown == [
        ["0.000 s", "wf.evt.0b5f7f0e….watcher.wfe-created", "a: a workflow is there"],
        ["2.000 s", "wf.cmd.exec.0b5f7f0e….a.f1", "a: run this attempt"],
        ["3.000 s", "wf.dlq.exec.Undecodable.0b5f7f0e…", "a: "],
    ]


def test_a_trace_of_nothing_is_empty() -> None:
    assert rows(report.trace_table([], uid=UID, name="fix")) == []


def test_commands_for_a_running_demo_can_be_pasted() -> None:
    text = "\n".join(report.look_around(RUNNING, kept=True, down="make demo-down"))

    kubectl = "/bin/kubectl --kubeconfig='/srv/a folder/admin.kubeconfig' -n mendflow-demo"
    assert f"{kubectl} get wfe -w" in text
    assert "/bin/nats -s nats://127.0.0.1:4222 sub 'wf.>'" in text
    assert "make demo-down" in text


def test_without_the_nats_command_its_plain_name_is_shown() -> None:
    state = msgspec.structs.replace(RUNNING, nats_cli="")

    text = "\n".join(report.look_around(state, kept=True, down="make demo-down"))

    assert "  nats -s nats://127.0.0.1:4222 sub 'wf.>'" in text


def test_a_stopped_demo_says_how_to_leave_it_running() -> None:
    text = "\n".join(report.look_around(RUNNING, kept=False, down=""))

    assert "make demo KEEP=1" in text
    assert "kubectl get wfe -w" in text
    assert "nats sub 'wf.>'" in text


def test_the_way_to_stop_it_names_the_folder_unless_it_is_the_usual_one() -> None:
    assert report.down_command(DEFAULT).endswith(" demo-down")
    assert report.down_command(Path("/srv/a folder")).endswith("down --dir '/srv/a folder'")
