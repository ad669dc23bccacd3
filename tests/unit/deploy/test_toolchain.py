"""Which Go is used."""

from pathlib import Path

import pytest

from deploy.local import toolchain
from deploy.local.toolchain import build_environment, ensure_go, parse_version
from deploy.local.versions import Wheel


@pytest.mark.parametrize(
    ("text", "version"),
    [
        pytest.param("go1.26.8\n", (1, 26, 8), id="a release"),
        pytest.param("go1.26", (1, 26, 0), id="a first release"),
        pytest.param("go1.26.1 X:nodwarf5", (1, 26, 1), id="with an experiment"),
        pytest.param("go1.25.3-distro2", (1, 25, 3), id="of a distributor"),
        pytest.param("go1.27rc1", None, id="a candidate"),
        pytest.param("devel go1.27-abc", None, id="in development"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_versions_are_read(text: str, version: tuple[int, int, int] | None) -> None:
    assert parse_version(text) == version


def test_builds_neither_change_the_pins_nor_fetch_another_go() -> None:
    environment = build_environment()

    assert environment["GOFLAGS"] == "-mod=readonly"
    assert environment["GOTOOLCHAIN"] == "local"


def offer_go(monkeypatch: pytest.MonkeyPatch, place: Path, *, version: str) -> Path:
    """Make a `go` of that version the only one on the machine; the wheel's is at /wheel."""
    go = place / "go"
    go.write_text(f"#!/bin/sh\necho {version}\n")
    go.chmod(0o755)

    def install(wheel: Wheel, *, progress: object) -> Path:
        del progress
        return Path("/wheel") / wheel.program

    monkeypatch.setattr(toolchain, "_candidates", lambda: iter((go,)))
    monkeypatch.setattr(toolchain, "ensure_program", install)
    return go


def test_the_machines_own_go_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = offer_go(monkeypatch, tmp_path, version="go1.26.0")

    assert ensure_go(lambda _: None) == go


@pytest.mark.parametrize("version", ["go1.24.9", "nonsense"])
def test_one_that_is_too_old_is_replaced_and_this_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    offer_go(monkeypatch, tmp_path, version=version)
    said: list[str] = []

    assert ensure_go(said.append) == Path("/wheel/go/bin/go")
    assert "older than needed" in said[0]
