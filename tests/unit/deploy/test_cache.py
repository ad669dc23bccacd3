"""Where things are cached, under which name, and that they appear whole or not at all."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local import versions
from deploy.local.cache import cache_dir, ensure_entry, product_key
from deploy.local.versions import ETCD


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param({"MENDFLOW_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, "/a", id="our own wins"),
        pytest.param({"XDG_CACHE_HOME": "/b"}, "/b/mendflow", id="then the user's"),
        pytest.param({"XDG_CACHE_HOME": "b"}, "~/.cache/mendflow", id="unless it is relative"),
        pytest.param({"XDG_CACHE_HOME": ""}, "~/.cache/mendflow", id="or empty"),
        pytest.param({}, "~/.cache/mendflow", id="by default below the home"),
    ],
)
def test_the_cache_is_where_the_environment_says(environ: Mapping[str, str], expected: str) -> None:
    assert cache_dir(environ) == Path(expected).expanduser()


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sources of etcd that a test may change."""
    monkeypatch.setattr(versions, "GO_SOURCES", tmp_path)
    place = tmp_path / ETCD.name
    place.mkdir()
    for name in ("go.mod", "go.sum", "main.go"):
        (place / name).write_text(name)
    return place


def test_a_key_names_product_and_version() -> None:
    assert product_key(ETCD).startswith(f"etcd-{ETCD.version}-")


def test_a_key_stays_while_nothing_changes(sources: Path) -> None:
    before = product_key(ETCD)
    (sources / "README.md").write_text("not part of the build")

    assert product_key(ETCD) == before


@pytest.mark.parametrize("name", ["go.mod", "go.sum", "main.go"])
def test_a_key_changes_with_every_source(sources: Path, name: str) -> None:
    before = product_key(ETCD)
    (sources / name).write_text("changed")

    assert product_key(ETCD) != before


def test_a_key_changes_with_what_is_linked_in() -> None:
    other = replace(ETCD, version_symbols=(("main.version", "v0"),))

    assert product_key(other) != product_key(ETCD)


def ignore(_: str) -> None:
    """Take progress and do nothing with it."""


def test_an_entry_is_made_once(tmp_path: Path) -> None:
    place = tmp_path / "bin" / "entry"
    made: list[Path] = []

    for _ in range(2):
        assert ensure_entry(place, make=made.append, progress=ignore) == place

    assert place.is_dir()
    assert len(made) == 1


def test_an_entry_wanted_by_many_at_once_is_made_once(tmp_path: Path) -> None:
    place = tmp_path / "entry"
    made: list[Path] = []

    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(ensure_entry, place, make=made.append, progress=ignore)

    assert place.is_dir()
    assert len(made) == 1


def test_a_failed_attempt_leaves_no_entry_and_can_be_repeated(tmp_path: Path) -> None:
    place = tmp_path / "entry"

    def fail(target: Path) -> None:
        (target / "half").write_text("half")
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        ensure_entry(place, make=fail, progress=ignore)

    assert not place.exists()
    assert not list(tmp_path.glob("*/half"))
    ensure_entry(place, make=lambda target: (target / "whole").touch(), progress=ignore)
    assert [each.name for each in place.iterdir()] == ["whole"]
