"""Who owns a work directory, and that a wrong one loses nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.__main__ import main
from deploy.local.build import Binaries
from deploy.local.cluster import LocalCluster
from deploy.local.errors import LocalClusterError
from deploy.local.existing import ExistingCluster
from deploy.local.workdir import DATA, RECORDS, WorkDir, find_running

BINARIES = Binaries(
    etcd=Path("etcd"),
    kube_apiserver=Path("kube-apiserver"),
    kube_controller_manager=Path("kube-controller-manager"),
    kube_scheduler=Path("kube-scheduler"),
    kwok=Path("kwok"),
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkDir]:
    """A work directory that is taken, on ports that nobody asked the kernel for."""
    monkeypatch.setattr("deploy.local.ports.is_free", lambda _port: True)
    work_dir = WorkDir(tmp_path / "cluster", keep=False)
    work_dir.acquire()
    yield work_dir
    work_dir.release()


def test_a_directory_has_one_owner(place: WorkDir) -> None:
    with pytest.raises(LocalClusterError, match="is running"):
        WorkDir(place.path, keep=False).acquire()


def test_a_directory_is_free_again_after_its_release(place: WorkDir) -> None:
    place.release()
    place.acquire()


@pytest.mark.parametrize("name", [*DATA, *RECORDS])
def test_a_directory_with_files_of_others_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()

    with pytest.raises(LocalClusterError, match=name):
        WorkDir(tmp_path, keep=False).acquire()

    assert (tmp_path / name).exists()


def test_a_stopped_cluster_leaves_its_records_and_nothing_else(place: WorkDir) -> None:
    place.prepare(BINARIES)
    place.audit_log.touch()
    (place.path / "notes").touch()

    place.release()

    left = {each.name for each in place.path.iterdir()}
    assert left == {*RECORDS, ".mendflow-cluster", "notes"}


def test_kept_data_stays_and_the_address_goes(tmp_path: Path, place: WorkDir) -> None:
    del place
    kept = WorkDir(tmp_path / "kept", keep=True)
    kept.acquire()
    authority = kept.prepare(BINARIES).pki.cluster.certificate
    kept.release()

    with pytest.raises(LocalClusterError, match="no cluster is running"):
        find_running(tmp_path / "kept")
    kept.acquire()
    assert kept.prepare(BINARIES).pki.cluster.certificate == authority
    kept.release()


def test_a_running_cluster_is_found_and_gives_out_identities(place: WorkDir) -> None:
    layout = place.prepare(BINARIES)

    running = find_running(place.path)

    assert running.server == layout.server
    assert running.kubeconfig.exists()
    assert "alice" in running.kubeconfig_for("alice").read_text()


def test_what_a_killed_cluster_wrote_is_not_taken_for_a_running_one(place: WorkDir) -> None:
    place.prepare(BINARIES)
    state = (place.path / "cluster.json").read_text()
    place.release()
    (place.path / "cluster.json").write_text(state)

    with pytest.raises(LocalClusterError, match="no cluster is running"):
        find_running(place.path)


def test_a_cluster_that_is_not_running_has_no_address(tmp_path: Path) -> None:
    cluster = LocalCluster(tmp_path, binaries=BINARIES)

    with pytest.raises(LocalClusterError, match="call start"):
        _ = cluster.kubeconfig
    with pytest.raises(LocalClusterError, match="no component is called 'etcd'"):
        cluster.kill("etcd")
    cluster.stop()


@pytest.mark.parametrize("nodes", [-1, 101])
def test_the_number_of_nodes_has_limits(tmp_path: Path, nodes: int) -> None:
    with pytest.raises(ValueError, match="from 0 to 100"):
        LocalCluster(tmp_path, nodes=nodes)


def test_an_existing_cluster_is_never_the_current_one_by_accident(tmp_path: Path) -> None:
    with pytest.raises(LocalClusterError, match="name one"):
        ExistingCluster("", work_dir=tmp_path)


def test_a_mistake_ends_with_advice_and_without_a_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["kubeconfig", "alice", "--dir", str(tmp_path)])

    assert code == 1
    assert "python -m deploy.local up" in capsys.readouterr().err
