"""The demo removes its own folder and nobody else's."""

from pathlib import Path

import pytest

from cli.demo.errors import DemoError
from cli.demo.place import CRDS, EXAMPLES, Place
from cli.demo.session import end_kept
from shared.api.groups import KUBERNETES_EXECUTION, WORKFLOW_EXECUTION
from tests.support.demo import RUNNING


def test_a_folder_with_other_files_is_neither_used_nor_removed(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    place = Place(tmp_path)

    with pytest.raises(DemoError, match="--dir"):
        place.prepare()
    place.clear()

    assert (tmp_path / "letter.txt").read_text() == "dear"


def test_a_folder_of_an_earlier_demo_is_emptied(tmp_path: Path) -> None:
    place = Place(tmp_path / "demo")
    place.prepare()
    place.write(RUNNING)

    place.prepare()

    assert place.read() is None
    assert place.logs.is_dir()


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(DemoError, match="cannot write to"):
        Place(tmp_path / "file" / "demo").prepare()


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    place = Place(tmp_path / "demo")
    place.prepare()

    place.write(RUNNING)

    assert place.read() == RUNNING


def test_a_folder_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    place = Place(tmp_path / "demo")
    place.prepare()
    assert not place.is_held()

    place.hold()

    assert place.is_held()
    with pytest.raises(DemoError, match="another demo"):
        Place(place.root).hold()


def test_a_demo_that_somebody_watches_is_not_ended_from_elsewhere(tmp_path: Path) -> None:
    place = Place(tmp_path / "demo")
    place.prepare()
    place.write(RUNNING)
    place.hold()

    with pytest.raises(DemoError, match="Ctrl-C where it was started"):
        end_kept(place, say=lambda _: None)


def test_ending_what_does_not_run_removes_what_it_left(tmp_path: Path) -> None:
    place = Place(tmp_path / "demo")
    place.prepare()

    assert not end_kept(place, say=lambda _: None)
    assert not place.root.exists()


def test_what_the_demo_applies_is_where_it_looks() -> None:
    for name in ("targets", "diamond", "rollback", "ten-independent"):
        assert (EXAMPLES / f"{name}.yaml").is_file()
    for kind in (WORKFLOW_EXECUTION, KUBERNETES_EXECUTION):
        assert (CRDS / f"{kind.plural}.yaml").is_file()
