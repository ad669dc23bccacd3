"""How products are built: with which command, from where, and what is said about it."""

from pathlib import Path

import pytest

from deploy.local import build
from deploy.local.build import (
    build_command,
    ensure_binaries,
    ensure_product,
    offered_programs,
    place_of,
)
from deploy.local.errors import BuildError
from deploy.local.versions import ETCD, KUBERNETES

# Stands for the compiler: writes a program, or a complaint, where `go build` would.
FAKE_GO = """#!/bin/sh
{complaint}
for word in "$@"; do case "$word" in -o=*) echo built > "${{word#-o=}}";; esac; done
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no programs from elsewhere."""
    monkeypatch.setenv("MENDFLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return tmp_path / "cache"


def use_fake_go(monkeypatch: pytest.MonkeyPatch, place: Path, *, complaint: str = "") -> None:
    go = place / "go"
    go.write_text(FAKE_GO.format(complaint=complaint))
    go.chmod(0o755)
    monkeypatch.setattr(build, "ensure_go", lambda _progress: go)


def test_builds_hold_no_local_paths_and_state_their_version() -> None:
    command = build_command(KUBERNETES, go=Path("go"), output=Path("/out"))

    assert "-trimpath" in command
    assert command[-1] == KUBERNETES.package
    flags = next(word for word in command if word.startswith("-ldflags="))
    assert f"-X k8s.io/component-base/version.gitVersion={KUBERNETES.version}" in flags


def test_one_executable_is_installed_under_every_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_fake_go(monkeypatch, tmp_path)
    said: list[str] = []

    place = ensure_product(KUBERNETES, progress=said.append)

    assert place == place_of(KUBERNETES)
    assert {program.name for program in place.iterdir()} == set(KUBERNETES.programs)
    assert {(place / name).read_text() for name in KUBERNETES.programs} == {"built\n"}
    assert any("built kubernetes" in line for line in said)


def test_a_first_build_says_how_long_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_fake_go(monkeypatch, tmp_path)
    first: list[str] = []
    second: list[str] = []

    ensure_binaries(first.append)
    ensure_binaries(second.append)

    assert "to be built once" in first[0]
    assert "min" in first[0]
    assert second == []


def test_a_long_build_keeps_saying_that_it_is_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_fake_go(monkeypatch, tmp_path, complaint="sleep 0.2")
    monkeypatch.setattr(build, "REPORT_EVERY_S", 0.02)
    said: list[str] = []

    ensure_product(ETCD, progress=said.append)

    assert sum("still building etcd" in line for line in said) > 1


def test_a_failed_build_says_why_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_fake_go(monkeypatch, tmp_path, complaint="echo no such module; exit 1")

    with pytest.raises(BuildError) as caught:
        ensure_product(ETCD, progress=lambda _: None)

    assert "no such module" in str(caught.value)
    assert "What to do" in str(caught.value)
    assert not place_of(ETCD).exists()


def test_offered_programs_are_taken_and_the_rest_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_fake_go(monkeypatch, tmp_path)
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in ("etcd", "kube-apiserver", "kubectl"):
        (assets / name).touch()
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))

    binaries = ensure_binaries(lambda _: None)

    assert binaries.etcd == assets / "etcd"
    assert binaries.kube_apiserver == assets / "kube-apiserver"
    assert binaries.kube_scheduler == place_of(KUBERNETES) / "kube-scheduler"
    assert not place_of(ETCD).exists()


def test_nothing_is_offered_by_default() -> None:
    assert offered_programs({}) == {}
    assert offered_programs({"KUBEBUILDER_ASSETS": "/nowhere"}) == {}
